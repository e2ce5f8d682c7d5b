"""What a person points at in a picture, for models that are asked: data, in shares of the picture."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Click:
    """A place on an object, or one that is not part of it."""

    x: float
    """0 (left) to 1."""
    y: float
    """0 (top) to 1."""
    adds: bool = True
    """False: what is there is not part of the object."""
    frame_index: int | None = None
    """`Frame.index` of the frame that was looked at; None: the newest."""

    def __post_init__(self) -> None:
        _check(self.x, self.y)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle around a whole object, each side 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float
    frame_index: int | None = None
    """As of a click."""

    def __post_init__(self) -> None:
        _check(self.left, self.top, self.right, self.bottom)
        if self.left >= self.right or self.top >= self.bottom:
            raise ValueError("a box is left, top, right, bottom, with left < right and top < bottom")


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """An object's own mask over the whole picture."""

    plane: NDArray[Any]
    """(h, w) of any size: what is not 0 is the object."""
    frame_index: int | None = None
    """As of a click."""

    def __post_init__(self) -> None:
        plane = self.plane
        if not isinstance(plane, np.ndarray) or plane.ndim != 2 or not plane.size:
            raise ValueError("a mask is an array of (h, w)")


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing is followed any more."""


Prompt: TypeAlias = Click | Box | Mask | Clear
Prompts: TypeAlias = deque[Prompt]
"""Written at one end by a window or program, read at the other by the model that is asked; from any threads."""


def _check(*shares: float) -> None:
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError("places are shares of the picture, 0 to 1")
