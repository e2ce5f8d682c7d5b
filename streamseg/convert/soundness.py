"""Whether what a family's reading finds can be boxes and scores: outputs of the same shapes may hold other numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.infer.families import Objects
from streamseg.infer.model.tensors import Tensor

_ENOUGH = 20  # objects: what fewer show is chance
_BEYOND = 3  # times the picture's longer side
_LEAST_PX = 2.0
_LEAST_SIDE = 32
_ROUNDED = 4e-3
_HINT = "where they are another network's, --family says of which it is, if it is of one that is known"


class Soundness:
    """What was found in several pictures of (height, width) `size` by a reading that is called `title`."""

    def __init__(self, title: str, size: tuple[int, int]) -> None:
        self._title, self._size = title, size
        self._reaches: list[NDArray[np.float32]] = []
        self._scores: list[NDArray[np.float32]] = []
        self._shares = True

    def add(self, found: Objects, outputs: Mapping[str, Tensor]) -> None:
        """What was `found` in one picture, and the `outputs` by role that it was read from.

        Raises:
            InputError: they are no numbers.
        """
        for role, output in outputs.items():
            if output.dtype.kind == "f" and np.isnan(output).any():
                raise InputError(
                    f"the model gives no numbers (NaN) as its {role}",
                    "its weights are damaged, or --normalise is not what it was trained with",
                )
        self._reaches.append(np.abs(found.boxes).max(1, initial=0))
        self._scores.append(found.scores)
        classes = outputs.get("classes")
        self._shares &= classes is not None and bool(((classes >= 0) & (classes <= 1)).all() and classes.any())

    def check(self) -> None:
        """Raises InputError where boxes or scores are of another unit than the one they are read in."""
        reaches, scores = np.concatenate(self._reaches), np.concatenate(self._scores)
        if len(reaches) < _ENOUGH:
            return
        told = f"read as {self._title}, "
        if self._shares:
            raise InputError(f"{told}its classes are 0..1 already, and no logits", _HINT)
        if scores.min() < -_ROUNDED or scores.max() > 1 + _ROUNDED:
            raise InputError(f"{told}its scores are {scores.min():.3g} to {scores.max():.3g}, not 0 to 1", _HINT)
        reach, side = float(np.median(reaches)), max(self._size)
        if reach > _BEYOND * side:
            raise InputError(f"{told}its boxes are far outside the picture: pixels, and no shares of it", _HINT)
        if 0 < reach <= _LEAST_PX and side >= _LEAST_SIDE:  # nothing but zeros tells of no unit
            raise InputError(f"{told}its boxes are 0..1: shares of the picture, and no pixels", _HINT)
