"""Zones laid over masks, at the masks' own resolution."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.rules.shapes import Polygon

Plane = NDArray[np.uint8]


class ZonePixels:
    """The pixels of a zone in labels of one size: those whose middle lies inside its border.

    A zone so small or narrow that it has none of those has the ones that its border runs through.
    """

    def __init__(self, polygon: Polygon | None, labels: tuple[int, int], frame: tuple[int, int]) -> None:
        """`labels` and `frame`: (height, width); without a `polygon` it is the whole picture."""
        rows, columns = labels
        self.top, self.left, self.bottom, self.right = 0, 0, rows, columns
        self.inside: Plane | None = None
        """(bottom - top, right - left) u8, 255 inside; None: all of it."""
        self.pixels = rows * columns
        if polygon is None:
            return
        height, width = frame
        corners = polygon.pixels(width, height) * (columns / width, rows / height)
        mask = _filled(corners, rows, columns)
        if not mask.any():
            cv2.fillPoly(mask, [np.floor(corners).astype(np.int32)], (255,))
        self.pixels = int(np.count_nonzero(mask))
        used_rows, used_columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not self.pixels:
            self.bottom = self.right = 0
            return
        self.top, self.bottom = int(used_rows[0]), int(used_rows[-1]) + 1
        self.left, self.right = int(used_columns[0]), int(used_columns[-1]) + 1
        self.inside = np.ascontiguousarray(self.cut(mask))
        if self.inside.all():
            self.inside = None

    def cut(self, plane: Plane) -> Plane:
        """The part of a plane of that size that its bounding box covers."""
        return plane[self.top : self.bottom, self.left : self.right]

    def count(self, plane: Plane) -> int:
        """How many pixels inside are 1 in `plane` of 0 and 1."""
        if not self.pixels:
            return 0
        part = self.cut(plane)
        return cv2.countNonZero(part if self.inside is None else cv2.bitwise_and(part, self.inside))

    def counts(self, plane: Plane, values: int) -> NDArray[np.float64]:
        """(values,) f64: how many pixels inside have each value of `plane`."""
        if not self.pixels:
            return np.zeros(values)
        found = cv2.calcHist([self.cut(plane)], [0], self.inside, [values], [0, values])
        return np.asarray(found, np.float64).reshape(-1)


def _filled(corners: NDArray[np.float64], rows: int, columns: int) -> Plane:
    """(rows, columns) u8, 255 inside by the even-odd rule."""
    turns = np.zeros((rows, columns + 1), np.int32)  # how often a border lies to the left of each pixel
    middles = np.arange(rows) + 0.5
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        met = np.flatnonzero((middles >= min(y0, y1)) & (middles < max(y0, y1)))
        if len(met):
            x = x0 + (middles[met] - y0) * (x1 - x0) / (y1 - y0)
            np.add.at(turns, (met, np.ceil(x - 0.5).clip(0, columns).astype(int)), 1)
    return np.asarray((np.cumsum(turns[:, :-1], 1) & 1) * 255, np.uint8)
