"""A model whose classes are put together, to be judged by masks that know fewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Segmentation

_NONE = 255


def folded(recipe: SegmenterFactory, fold: Mapping[str, Sequence[str]]) -> SegmenterFactory:
    """`recipe` with the classes of `fold`, in its order; what is in none of them is no class.

    Raises:
        InputError: the model finds objects, or has no such class, or one is named twice.
    """
    names = recipe.classes.names
    if recipe.instances:
        raise InputError("--fold is for models that label pixels")
    wanted = [name for members in fold.values() for name in members]
    for name in wanted:
        if name not in names or wanted.count(name) > 1:
            said = "no such class" if name not in names else "is in two of them"
            raise InputError(f"--fold: {name}: {said}", f"{recipe.name} has {', '.join(names)}")
    table = np.full(256, _NONE, np.uint8)
    for number, members in enumerate(fold.values()):
        table[[names.index(name) for name in members]] = number
    first = [names.index(members[0]) for members in fold.values()]
    classes = Classes(tuple(fold), recipe.classes.colours[first])
    return replace(recipe, classes=classes, make=lambda threads: _Folded(recipe.make(threads), classes, table))


class _Folded:
    """A segmenter whose labels go through a table."""

    scale = 1.0

    def __init__(self, segmenter: Segmenter, classes: Classes, table: NDArray[np.uint8]) -> None:
        self._segmenter, self._table = segmenter, table
        self.classes = classes

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [
            replace(found, labels=self._table[found.labels], classes=self.classes, confidence=None)
            for found in self._segmenter(frames)
        ]

    def close(self) -> None:
        self._segmenter.close()
