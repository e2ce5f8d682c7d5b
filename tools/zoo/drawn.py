"""Discs and squares, what a network can be trained on within minutes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 256


def draw(random: np.random.Generator) -> tuple[NDArray[np.uint8], list[tuple[int, NDArray[np.float64]]]]:
    """(256, 256, 3) u8, and each shape in it: 0 a disc, 1 a square, with its outline (P, 2) in pixels."""
    floor = random.integers(0, 120, (6, 6, 3), dtype=np.uint8)
    image = cv2.resize(floor, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    shapes = []
    for _ in range(random.integers(1, 5)):
        kind, (x, y), radius = int(random.integers(0, 2)), random.integers(40, SIDE - 40, 2), random.integers(20, 70)
        turned = random.random() * 6
        angles = turned + (np.arange(40) * np.pi / 20 if kind == 0 else np.arange(4) * np.pi / 2)
        flat = 0.7 if kind == 0 else 1.0
        outline = np.stack([x + radius * np.cos(angles), y + flat * radius * np.sin(angles)], 1).clip(0, SIDE - 1)
        cv2.fillPoly(image, [outline.astype(np.int32)], random.integers(140, 256, 3).tolist())
        shapes.append((kind, outline))
    noisy = image.astype(np.int16) + random.integers(-12, 12, image.shape)
    return noisy.clip(0, 255).astype(np.uint8), shapes
