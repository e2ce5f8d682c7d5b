"""Models that are objects of a program's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamseg.contracts import Segmenter, SimpleSegmenter
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Segmentation


class CompletedSegmenter:
    """An object without `scale`: its input has one size."""

    def __init__(self, segmenter: SimpleSegmenter) -> None:
        self.scale = 1.0
        self.classes: Classes = segmenter.classes
        self._segmenter = segmenter
        self.close = segmenter.close

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """What it finds."""
        return self._segmenter(frames)


def own_segmenter(segmenter: SimpleSegmenter) -> Segmenter:
    """`segmenter`, completed where it has no `scale`."""
    whole: Any = segmenter
    return whole if hasattr(segmenter, "scale") else CompletedSegmenter(segmenter)
