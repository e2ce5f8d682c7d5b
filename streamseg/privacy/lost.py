"""What is gone from one mask to the next although nothing leaves from the middle of a picture."""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.yuv import Plane

LOST_S = 0.5
"""For so long it counts as lost, unless it is found again."""
LEAST = 0.003
"""Of the picture: what is smaller comes and goes."""
_FOUND_AGAIN = 0.2  # of it, under the new mask or close to it
_CLOSE = 0.05  # of the longer side


class Vanished:
    """Follows the masks of one stream."""

    def __init__(self) -> None:
        self._last: Plane | None = None
        self._lost: Plane | None = None
        self._until_s = 0.0

    def __call__(self, found: Plane, time_s: float) -> bool:
        """Whether something that was hidden is missing in `found`, (h, w) u8 of 0 and 255, the next mask."""
        last, self._last = self._last, found
        if last is None:
            return False
        last = of_size(last, found.shape)  # a stream that changes its size shows the same as before
        self._lost = None if self._lost is None else of_size(self._lost, found.shape)
        side = 2 * round(_CLOSE * max(found.shape)) + 1
        near = np.asarray(cv2.dilate(found, np.ones((side, side), np.uint8)), np.uint8)
        if self._lost is not None and (time_s >= self._until_s or _share(self._lost, near) >= _FOUND_AGAIN):
            self._lost = None
        gone = _gone(last, near)
        if gone is not None:
            self._lost = gone if self._lost is None else self._lost | gone
            self._until_s = time_s + LOST_S
        return self._lost is not None

    def forget(self) -> None:
        """The picture is another one."""
        self._last = self._lost = None


def of_size(mask: Plane, shape: tuple[int, ...]) -> Plane:
    """`mask`, u8 of 0 and 255, at another (height, width), in which a pixel is set where any below it is."""
    if mask.shape == shape:
        return mask
    shares = cv2.resize(mask, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(shares, 0, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _gone(last: Plane, near: Plane) -> Plane | None:
    """The objects of `last` that touch no edge of the picture and of which little is in `near`."""
    if not last.any() or not cv2.bitwise_and(last, cv2.bitwise_not(near)).any():
        return None
    height, width = last.shape
    count, objects, stats, _ = cv2.connectedComponentsWithStats(last)
    gone = np.zeros_like(last)
    for number in range(1, count):
        left, top, wide, high, area = stats[number]
        inside = left > 0 and top > 0 and left + wide < width and top + high < height
        mask = (objects == number).view(np.uint8) * np.uint8(255)
        if inside and area >= LEAST * last.size and _share(mask, near) < _FOUND_AGAIN:
            gone |= mask
    return gone if gone.any() else None


def _share(mask: Plane, near: Plane) -> float:
    return cv2.countNonZero(cv2.bitwise_and(mask, near)) / max(1, cv2.countNonZero(mask))
