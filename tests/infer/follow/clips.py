"""A textured disc that moves over a textured ground: where it is, is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import Segmenter
from streamseg.frame import Frame, Image
from streamseg.infer.classical import load
from streamseg.prompts import Prompt
from streamseg.segmentation import Segmentation

HEIGHT, WIDTH, RADIUS = 120, 200, 22


def texture(seed: int, low: int, high: int, colour: tuple[int, int, int]) -> Image:
    coarse = np.random.default_rng(seed).integers(low, high, (HEIGHT // 6, WIDTH // 6, 1), dtype=np.uint8)
    grey = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(grey[..., None] * (np.array(colour) / 255), 0, 255), np.uint8)


GROUND, DISC = texture(1, 60, 200, (120, 255, 120)), texture(2, 90, 255, (90, 120, 255))


def mask(x: float, y: float = 60) -> NDArray[np.bool_]:
    plane = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(plane, (round(x), round(y)), RADIUS, 1, -1)
    return plane > 0


def place(index: int) -> float:
    return 50.0 + 4 * index


def frame(index: int, *places: float, ground: Image = GROUND) -> Frame:
    image = ground.copy()
    for x in places or (place(index),):
        there = mask(x)
        image[there] = np.roll(DISC, round(x) - 100, 1)[there]
    return Frame(image, index, index / 25, 0.0)


def following(*prompts: Prompt, settings: Mapping[str, object] | None = None) -> tuple[Segmenter, deque[Prompt]]:
    waiting = deque(prompts)
    return load("follow", settings or {}, waiting).make(1), waiting


def iou(found: Segmentation, true: NDArray[np.bool_]) -> float:
    labels = cv2.resize(found.labels, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST) > 0
    return float((labels & true).sum() / max(1, (labels | true).sum()))
