"""Frames that a program makes itself: a generator of images, or of (seconds, image)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import streamseg


def images() -> Iterator[NDArray[np.uint8]]:
    """Stands for a camera's own library: a bright square that wanders over a dark ground."""
    for step in range(50):
        image = np.full((240, 320, 3), 40, np.uint8)
        image[80:160, 4 * step : 4 * step + 80] = 220
        yield image


for shown in streamseg.open(streamseg.frames(images(), fps=25), model="otsu"):
    print(f"{shown.frame.time_s:.2f} s: {shown.segmentation.areas()[1]:.1%} is bright")
