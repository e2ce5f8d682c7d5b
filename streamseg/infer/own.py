"""Models that are objects of a program's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from streamseg.contracts import SimpleSegmenter
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Instances, Segmentation


class OwnSegmenter:
    """An object of a program's own, with what it gives checked; without a `scale` its input has one size."""

    def __init__(self, segmenter: SimpleSegmenter) -> None:
        self.classes: Classes = segmenter.classes
        self._segmenter: Any = segmenter
        self._scale = 1.0
        self.close = segmenter.close

    @property
    def scale(self) -> float:
        """Its own, where it has one."""
        return float(getattr(self._segmenter, "scale", self._scale))

    @scale.setter
    def scale(self, scale: float) -> None:
        if hasattr(self._segmenter, "scale"):
            self._segmenter.scale = scale
        else:
            self._scale = scale

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """What it finds.

        Raises:
            InputError: that is not one segmentation for each frame.
        """
        given = self._segmenter(frames)
        found = list(given) if isinstance(given, Iterable) else [given]
        wrong = [type(each).__name__ for each in found if not isinstance(each, Segmentation)]
        if wrong or len(found) != len(frames) or not isinstance(given, Iterable):
            what = wrong[0] if wrong else f"{len(found)} segmentations" if isinstance(given, Iterable) else "no list"
            raise InputError(
                f"{type(self._segmenter).__name__} gave {what} for {len(frames)} frame{'s' * (len(frames) != 1)}",
                "a list with one streamseg.Segmentation for each frame",
            )
        for objects, classes in ((each.instances, each.classes) for each in found if each.instances is not None):
            if said := _wrong(objects, classes):
                raise InputError(f"{type(self._segmenter).__name__} gave an object {said}")
        return found


def _wrong(objects: Instances, classes: Classes) -> str:
    """What is wrong with the numbers of some of them; empty where nothing is."""
    strange = objects.class_ids[(objects.class_ids < 0) | (objects.class_ids >= len(classes))]
    if strange.size:
        return f"of class {strange[0]}, of {len(classes)} classes"
    if not (np.isfinite(objects.boxes).all() and np.isfinite(objects.scores).all()):
        return "whose box or score is no number"
    empty = isinstance(objects.masks, np.ndarray) and len(objects) and not objects.masks.size
    return "whose mask has no pixels" if empty else ""
