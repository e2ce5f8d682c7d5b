"""Where each pixel of a frame was in another one: dense optical flow between small grey pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame
from streamseg.motion.blocks import matched

T = TypeVar("T", np.uint8, np.float32)
Grey = NDArray[np.uint8]
Flow = NDArray[np.float32]
"""(h, w, 2) f32: how far away in x and y, in pixels of a small picture, each of its pixels was."""

_GREY_AREA = 480 * 360
_PATCH, _STRIDE = 8, 6
_LEAST_STEPS = 3  # dense inverse search needs room for its patches
CUT = 0.33  # of the contrast: neighbours leave 0.06 to 0.2 of it over, other places of the same drive 0.4 and more
_CUT_AREA = 96 * 72  # pixels in which a cut is looked for
_BACK_STEPS = 2
NOISE = 2.0  # grey levels that are left over where nothing moves
_SIDE = 5
AROUND = _SIDE * _SIDE  # pixels over which what a flow leaves over is averaged
LOST = 40.0  # grey levels left over somewhere: what moved there was lost on the way
CLOSER = 2.5  # grey levels that another flow must leave less over to be taken instead
_KNOWN = 4  # pictures kept small


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """What is kept of a frame."""

    index: int
    time_s: float
    frame: tuple[int, int]
    """Height, width of the frame, px."""
    grey: Grey
    """Every n-th pixel of the frame: at most as many as 480x360 has."""
    colours: tuple[Grey, Grey]
    """Blue and red at half of its sides, twice as far from 128: they tell as much as brightness does."""


def look_at(frame: Frame) -> Thumbnail:
    """The frame, small."""
    grey, *colours = frame.small(*small_size(frame))
    blue, red = (np.asarray(cv2.addWeighted(colour, 2, colour, 0, -128), np.uint8) for colour in colours)
    return Thumbnail(frame.index, frame.time_s, (frame.height, frame.width), grey, (blue, red))


def small_size(frame: Frame) -> tuple[int, int]:
    """Height and width at which it is looked at, both even."""
    shrink = max(1, math.ceil((frame.height * frame.width / _GREY_AREA) ** 0.5))
    height, width = (max(2, side // shrink // 2 * 2) for side in (frame.height, frame.width))
    return height, width


class Search:
    """Dense inverse search (Kroeger et al., 2016), down to single pixels of pictures of `area` pixels.

    Where that lost something that moves fast, `again` searches once more from another start: a step from nothing, in
    case the motion is another than before, and a way of several steps over all of them at once. `blocks` of the picture
    of which a step still leaves much over are looked for all around, and begin a third search. `coarse` stops at
    every second pixel, which takes a third of the time: near enough for a vote, not for a border.
    """

    def __init__(self, area: int, *, again: bool = False, blocks: bool = False, coarse: bool = False) -> None:
        self._area, self._again, self._blocks = area, again, blocks
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._search.setFinestScale(int(coarse))
        self._search.setPatchSize(_PATCH)
        self._search.setPatchStride(_STRIDE)
        self._search.setGradientDescentIterations(10)
        self._search.setUseMeanNormalization(False)
        self._shrunk = lru_cache(_KNOWN)(partial(_shrunk, area=area))

    def shape(self, look: Thumbnail) -> tuple[int, int]:
        """Height and width of the flow; the same for frames of the same proportions, whatever their size."""
        return flow_shape(look.frame, self._area)

    def __call__(self, now: Thumbnail, then: Thumbnail, like: Flow | None = None) -> Flow | None:
        """From pixels of `now` to where they are in `then`; None where that cannot make one picture of the other.

        What moves keeps moving: the search begins with a flow `like` this one, where one is known, and finds more in
        the same time.
        """
        here, there = self._pair(now, then)
        nothing = np.zeros((*here.shape, 2), np.float32)
        flow = self._found(here, there, nothing if like is None else like)
        if flow is None or not _explains(flow, here, there):
            return None
        if like is not None:
            flow = self._mended(here, there, flow, nothing)
        return self._matched(here, there, flow) if self._blocks else flow

    def mended(self, now: Thumbnail, then: Thumbnail, way: Flow) -> Flow:
        """`way`, which was followed step by step, searched once more all at once where steps lost what moves."""
        return self._mended(*self._pair(now, then), way, way) if self._again else way

    def still(self, shape: tuple[int, int]) -> Flow:
        """A flow of that height and width, of what does not move."""
        return np.zeros((*shape, 2), np.float32)

    def followed(self, first: Flow, second: Flow) -> Flow:
        """The flow that follows `first`, then from there `second`."""
        return compose(first, second)

    def turned(self, flow: Flow) -> Flow:
        """The flow back."""
        return inverse(flow)

    def fitted(self, flow: Flow, shape: tuple[int, int]) -> Flow:
        """The same motion between pictures of that height and width."""
        return flow if flow.shape[:2] == shape else resized(flow, shape)

    def _mended(self, here: Grey, there: Grey, flow: Flow, start: Flow) -> Flow:
        """`flow`; where it lost something, that of a search from `start` for each pixel which that explains better."""
        if not self._again or cv2.minMaxLoc(rest := _rest(flow, here, there))[1] < LOST:
            return flow
        return self._closer(here, there, flow, rest, start)

    def _matched(self, here: Grey, there: Grey, flow: Flow) -> Flow:
        """The same from where blocks are found of which `flow` leaves much over."""
        rest = _rest(flow, here, there)
        start = matched(here, there, flow, rest)
        return flow if start is None else self._closer(here, there, flow, rest, start)

    def _closer(self, here: Grey, there: Grey, flow: Flow, rest: NDArray[np.float32], start: Flow) -> Flow:
        """Of `flow`, which leaves `rest` over, and of what is found from `start`, what explains each pixel better."""
        other = self._found(here, there, start)
        if other is None:
            return flow
        closer = cv2.subtract(rest, _rest(other, here, there)) > CLOSER
        return np.where(closer[..., None], other, flow)

    def _found(self, here: Grey, there: Grey, start: Flow) -> Flow | None:
        """None where it is no number: as a start OpenCV would crash on that."""
        flow = np.asarray(self._search.calc(here, there, start.copy()), np.float32)  # the start is written over
        return flow if np.isfinite(flow).all() else None

    def _pair(self, now: Thumbnail, then: Thumbnail) -> tuple[Grey, Grey]:
        """Both, small, and as bright as each other: the exposure may have changed."""
        here, there = self._shrunk(now), self._shrunk(then)
        return here, brighter(there, cv2.mean(here)[0] - cv2.mean(there)[0])


class Cuts:
    """Tells where one video ends and another begins: by its frames alone, seen in order."""

    def __init__(self) -> None:
        self._search = Search(_CUT_AREA)
        self._last: Thumbnail | None = None

    def __call__(self, frame: Frame) -> bool:
        """Whether `frame` shows something else than the frame before it, or has another size."""
        then, now = self._last, look_at(frame)
        self._last = now
        return then is not None and (then.frame != now.frame or self._search(now, then) is None)


def flow_shape(frame: tuple[int, int], area: int) -> tuple[int, int]:
    """Height and width of a flow of some `area` pixels, for frames of that height and width."""
    scale = (area / (frame[0] * frame[1])) ** 0.5
    height, width = (_covered(side * scale) for side in frame)
    return height, width


def _shrunk(look: Thumbnail, *, area: int) -> Grey:
    height, width = flow_shape(look.frame, area)
    grey, half = look.grey, tuple(side // 2 for side in look.grey.shape)
    if half[0] >= height:  # by two it is quick
        grey = np.asarray(cv2.resize(grey, half[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _covered(side: float) -> int:
    """The nearest length that patches cover up to its end: along an edge without any, motion is a guess."""
    return _PATCH + _STRIDE * max(_LEAST_STEPS, round((side - _PATCH) / _STRIDE))


def _explains(flow: Flow, now: Grey, then: Grey) -> bool:
    moved = sample(then, grid(now.shape) + flow)
    rest = cv2.mean(cv2.absdiff(now, moved))[0]
    contrast = cv2.mean(cv2.absdiff(now, np.full_like(now, round(cv2.mean(now)[0]))))[0]
    return rest < NOISE + CUT * contrast


def _rest(flow: Flow, now: Grey, then: Grey) -> NDArray[np.float32]:
    """(h, w): the grey levels that are left over around each pixel of `now`."""
    moved = sample(then, grid(now.shape) + flow)
    return np.asarray(cv2.boxFilter(cv2.absdiff(now, moved), cv2.CV_32F, (_SIDE, _SIDE)), np.float32)


def compose(first: Flow, second: Flow) -> Flow:
    """The flow that follows `first`, then from there `second`."""
    return np.asarray(cv2.add(first, sample(second, grid(first.shape) + first)), np.float32)


def inverse(flow: Flow) -> Flow:
    """The flow back, followed from a place to one that leads to it; what was hidden goes as what is near it."""
    back = -flow
    for _ in range(_BACK_STEPS):
        back = -sample(flow, grid(flow.shape) + back)
    return back


def resized(way: Flow, shape: tuple[int, ...]) -> Flow:
    """(h, w, 2) of `shape`: the same motion between pictures of that shape."""
    height, width = shape
    scaled = way * np.array([width / way.shape[1], height / way.shape[0]], np.float32)
    return np.asarray(cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def destinations(way: Flow, shape: tuple[int, ...]) -> Flow:
    """(h, w, 2) of `shape`: the x and y that the pixels of a plane of that shape came from."""
    far = resized(way, shape)
    return np.asarray(cv2.add(far, grid(shape), far), np.float32)  # into what is there: new memory costs more than sums


def inside(way: Flow) -> NDArray[np.uint8]:
    """(h, w) u8 like `way`: 255 where it leads to a place in the picture, 0 where out of it."""
    height, width = way.shape[:2]
    return np.asarray(cv2.inRange(grid(way.shape) + way, (-0.5, -0.5), (width - 0.5, height - 0.5)), np.uint8)


def sample(
    plane: NDArray[T], places: Flow, how: int = cv2.INTER_LINEAR, outside: int = cv2.BORDER_REPLICATE
) -> NDArray[T]:
    """What `plane` has at `places`, (h, w, 2) f32: x and y."""
    moved = cv2.remap(plane, places, None, how, borderMode=outside)  # type: ignore[call-overload]
    return np.asarray(moved, plane.dtype)


def brighter(plane: Grey, by: float) -> Grey:
    """`plane` and `by` grey levels, within 0..255."""
    return np.asarray(cv2.add(plane, (by,)), np.uint8)  # type: ignore[call-overload]


@lru_cache(4)
def grid(shape: tuple[int, ...]) -> Flow:
    """(h, w, 2): each pixel's own x and y; read-only."""
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    places = np.dstack([x, y])
    places.setflags(write=False)
    return places
