"""Where each pixel of a frame was in another one: dense optical flow between small grey pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame

T = TypeVar("T", np.uint8, np.float32)
Grey = NDArray[np.uint8]
Flow = NDArray[np.float32]
"""(h, w, 2) f32: how far away in x and y, in pixels of the small picture, each of its pixels was."""

_GREY_AREA = 480 * 360
_SMALL_AREA = 144 * 108
_LEAST_SIDE = 24  # dense inverse search needs room for its patches
_CUT = 0.33  # of the contrast left over: camvid steps leave 0.06 to 0.2, other places of the same drive mostly 0.4 and more


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is kept of a frame."""

    index: int
    time_s: float
    frame: tuple[int, int]
    """Height, width of the frame, px."""
    grey: Grey
    """For comparing pixels: at most 480x360 of them."""
    small: Grey
    """For the flow: 144x108 pixels in the frame's own proportions, whatever its size."""


def look_at(frame: Frame) -> Look:
    """The frame, grey and small."""
    size = frame.height, frame.width
    height, width = _within(_GREY_AREA, size) if frame.height * frame.width > _GREY_AREA else size
    picture = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_LINEAR)
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    height, width = (max(_LEAST_SIDE, side) for side in _within(_SMALL_AREA, size))
    small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    return Look(frame.index, frame.time_s, size, grey, np.asarray(small, np.uint8))


def _within(area: int, size: tuple[int, int]) -> tuple[int, int]:
    scale = (area / (size[0] * size[1])) ** 0.5
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


class Search:
    """Dense inverse search (Kroeger et al., 2016) down to single pixels of the small picture."""

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._search.setFinestScale(0)
        self._search.setGradientDescentIterations(8)
        self._search.setUseMeanNormalization(False)

    def __call__(self, now: Grey, then: Grey) -> Flow:
        """From pixels of `now` to where they are in `then`, both (h, w) u8."""
        # Zeros, not just room for the result: what is handed over is where the search begins.
        return np.asarray(self._search.calc(now, then, np.zeros((*now.shape, 2), np.float32)), np.float32)


def is_cut(now: Grey, then: Grey, flow: Flow) -> bool:
    """Whether `flow` fails to make one picture out of the other."""
    moved = sample(then, grid(now.shape) + flow)
    rest = cv2.mean(cv2.absdiff(now, moved))[0]
    contrast = cv2.mean(cv2.absdiff(now, np.full_like(now, round(cv2.mean(now)[0]))))[0]
    return rest > 2 + _CUT * contrast


def compose(first: Flow, second: Flow) -> Flow:
    """The flow that follows `first`, then from there `second`."""
    return np.asarray(cv2.add(first, sample(second, grid(first.shape) + first)), np.float32)


@lru_cache(4)
def grid(shape: tuple[int, ...]) -> Flow:
    """(h, w, 2): each pixel's own x and y; not to be written into."""
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    return np.dstack([x, y])


def destinations(way: Flow, shape: tuple[int, ...]) -> Flow:
    """(h, w, 2) of `shape`: the x and y that the pixels of a plane of that shape came from."""
    height, width = shape
    scaled = way * np.array([width / way.shape[1], height / way.shape[0]], np.float32)
    far = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(far, grid(shape)), np.float32)


def sample(
    plane: NDArray[T], places: Flow, how: int = cv2.INTER_LINEAR, outside: int = cv2.BORDER_REPLICATE
) -> NDArray[T]:
    """What `plane` has at `places`, (h, w, 2) f32: x and y."""
    moved = cv2.remap(plane, places, None, how, borderMode=outside)  # type: ignore[call-overload]
    return np.asarray(moved, plane.dtype)
