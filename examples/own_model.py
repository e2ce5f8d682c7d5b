"""A model class of one's own: anything that gives class ids for a frame. Here NumPy decides; PyTorch could as well."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

import streamseg


class RedOrBlue:
    """Each pixel is what it has more of."""

    classes = streamseg.Classes(("red", "blue"), np.array([[0, 0, 255], [255, 0, 0]], np.uint8))  # colours as BGR

    def __call__(self, frames: Sequence[streamseg.Frame]) -> list[streamseg.Segmentation]:
        return [self.segment(frame) for frame in frames]

    def segment(self, frame: streamseg.Frame) -> streamseg.Segmentation:
        small = frame.image[::4, ::4]  # labels may be coarser than the frame
        labels = (small[..., 0] > small[..., 2]).astype(np.uint8)
        return streamseg.Segmentation(labels, self.classes, frame.index, frame.time_s)

    def close(self) -> None: ...


source = sys.argv[1] if len(sys.argv) > 1 else "test://?frames=30"
for shown in streamseg.open(source, model=RedOrBlue()):
    red, blue = shown.segmentation.areas()
    print(f"{red:.0%} red, {blue:.0%} blue")
