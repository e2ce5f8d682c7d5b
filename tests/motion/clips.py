"""Short clips whose motion and labels are known."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.capture.scene import SCENE_CLASSES, SceneSource
from streamseg.evaluation.scores import confusion, scores
from streamseg.frame import Frame, Image
from streamseg.options import SourceOptions
from streamseg.segmentation import Classes, Segmentation

CLASSES = Classes(SCENE_CLASSES, np.zeros((4, 3), np.uint8), background=0)
SCENE = SceneSource("test://?frames=99&size=320x240", SourceOptions())


def frame(index: int, image: Image | None = None) -> Frame:
    return Frame(SCENE.image(index) if image is None else image, index, index / 30, index / 30)


def segmentation(index: int, labels: NDArray[np.uint8] | None = None) -> Segmentation:
    return Segmentation(SCENE.labels(index) if labels is None else labels, CLASSES, index, index / 30)


def miou(index: int, labels: NDArray[np.uint8]) -> float:
    return scores(confusion(SCENE.labels(index), labels, 4)).miou


def texture(seed: int, width: int = 400, height: int = 300) -> Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def panned(index: int, step: int = 4) -> Image:
    """(240, 320, 3): a window that moves right over a texture, so that all in it moves left."""
    return np.ascontiguousarray(texture(1)[30:270, index * step : index * step + 320])
