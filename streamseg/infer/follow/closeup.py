"""Close-ups: a part of a picture at a size that is quick to work on, whatever the size of the picture."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Colours: TypeAlias = NDArray[np.uint8]
"""(h, w, 3) u8: brightness, blue and red."""
Plane: TypeAlias = NDArray[np.float32]
"""(h, w) f32, 0..1."""
T = TypeVar("T", np.uint8, np.float32)

_AREA = 128 * 128  # pixels of a close-up


class Window(NamedTuple):
    """A rectangle of a picture, in its pixels; may reach beyond it."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the close-up of it."""
        shrink = min(1.0, math.sqrt(_AREA / (self.width * self.height)))
        return max(1, round(self.width * shrink)), max(1, round(self.height * shrink))

    @property
    def centre(self) -> tuple[int, int]:
        """x and y of its middle."""
        return self.x + self.width // 2, self.y + self.height // 2

    def grown(self, wide: int, high: int) -> Window:
        """With so many pixels more on each side."""
        return Window(self.x - wide, self.y - high, self.width + 2 * wide, self.height + 2 * high)


def box_of(belongs: Plane) -> Window | None:
    """Around all that is likelier than not; None where nothing is."""
    x, y, width, height = cv2.boundingRect((belongs > 0.5).view(np.uint8))
    return Window(x, y, width, height) if width and height else None


def cut(plane: NDArray[T], window: Window) -> NDArray[T]:
    """The close-up of `plane`, (h, w) or (h, w, 3); beyond the border colours are repeated, and a mask is 0."""
    height, width = plane.shape[:2]
    left, top = max(0, window.x), max(0, window.y)
    right, bottom = min(width, window.x + window.width), min(height, window.y + window.height)
    if right <= left or bottom <= top:
        return np.zeros((*window.size[::-1], *plane.shape[2:]), plane.dtype)
    before = top - window.y, left - window.x
    after = window.y + window.height - bottom, window.x + window.width - right
    how = cv2.BORDER_REPLICATE if plane.ndim == 3 else cv2.BORDER_CONSTANT
    whole = cv2.copyMakeBorder(plane[top:bottom, left:right], before[0], after[0], before[1], after[1], how)
    return np.asarray(cv2.resize(whole, window.size, interpolation=cv2.INTER_AREA), plane.dtype)


def put_back(close: Plane, window: Window, shape: tuple[int, ...]) -> Plane:
    """(h, w) f32 of `shape` with the close-up where it was cut out, 0 elsewhere."""
    whole = np.zeros(shape, np.float32)
    left, top = max(0, window.x), max(0, window.y)
    right, bottom = min(shape[1], window.x + window.width), min(shape[0], window.y + window.height)
    if right > left and bottom > top:
        sized = cv2.resize(close, (window.width, window.height), interpolation=cv2.INTER_LINEAR)
        whole[top:bottom, left:right] = sized[top - window.y : bottom - window.y, left - window.x : right - window.x]
    return whole
