"""Labels for a frame from those of others: moved along, and voted for where they may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.motion.flow import Flow, Grey, Look, brighter, destinations, grid, inside, sample
from streamseg.motion.votes import Around, Index, Plane, Voters, elect, share, voters_around

_SURE, _LOST = 12, 48  # grey levels of difference that cost no confidence, and all of it
_TRUST = np.interp(np.arange(256), [_SURE, _LOST], [255, 0]).round().astype(np.uint8)
_SOFTENED = 0.67  # pixels: a pixel's own grey still makes three fifths of a row
_ASK = np.uint8(255)  # where this is a value, too, more is asked than need be, no more
_EVEN = 16  # of 255: probabilities that differ by no more are not voted for


class Side(NamedTuple):
    """A frame that labels can come from."""

    then: Look
    way: Flow | None
    """None where it is the frame itself that is matched."""
    labels: Plane
    confidence: Plane | None
    worth: float = 1.0
    """Of its votes, 0..1."""


class _Moved(NamedTuple):
    """A side as it is seen from the frame that is matched."""

    side: Side
    values: Plane
    """Class ids, or how likely class 1 is; as they were."""
    there: Flow | None
    """Where each pixel was."""
    seen: Plane
    """The values, moved along; where those around differ, `_ASK` instead."""
    trust: Plane | None
    """(h, w) like the way: 0 where what is there does not look like what is here."""
    darker: float
    """Grey levels that the other frame lacks to be as bright."""


def match(now: Look, sides: Sequence[Side], reach: float) -> tuple[Plane, Plane]:
    """Labels and confidence for `now`, each (h, w) u8 like those of the first side.

    For each pixel those within `reach` pixels of where the motion leads to vote, on all sides, the stronger the more
    they look like it: so borders settle on those of the picture, and of two sides the one counts that is not hidden.
    Where all would vote alike nobody is asked. Labels are sampled once, whatever the length of the way. What looks
    like nothing there is not sure of its label.
    """
    shape = sides[0].labels.shape
    room = min(shape, now.grey.shape, key=lambda size: size[0] * size[1])
    around = voters_around(reach, shape[0] / room[0], shape[1] / room[1])
    most = max(int(side.labels.max()) for side in sides)
    soft = most == 1 and all(side.confidence is not None for side in sides)
    even = _EVEN if soft else 0
    planes = [_soft(side, shape) if soft else _sampled(side.labels, shape) for side in sides]
    own = sides[0].way is None  # then borders are asked only where they moved
    moved = [
        _moved(now, side, values, values if own else _marked(values, around, even))
        for side, values in zip(sides, planes, strict=True)
    ]
    values = _voted(now, moved, around, soft, even)
    if not soft:
        return values, np.maximum.reduce([_sure(one) for one in moved])
    sure = np.asarray(cv2.max(values, cv2.bitwise_not(values)), np.uint8)
    trust = np.maximum.reduce([_fitted(one.trust, shape) for one in moved])
    return (values > 127).view(np.uint8), _times(sure, trust)


def _moved(now: Look, side: Side, values: Plane, marked: Plane) -> _Moved:
    if side.way is None:
        return _Moved(side, values, None, values, None, 0)
    there = destinations(side.way, values.shape)
    return _Moved(side, values, there, sample(marked, there, cv2.INTER_NEAREST), *_trust(now, side.then, side.way))


def _soft(side: Side, shape: tuple[int, ...]) -> Plane:
    """How likely class 1 is, 0..254."""
    assert side.confidence is not None
    likely = np.where(side.labels, side.confidence, 255 - side.confidence)
    return _sampled(np.minimum(likely, np.uint8(254)), shape)


def _marked(values: Plane, around: Around, even: int) -> Plane:
    """The values, and `_ASK` where those that would vote differ by more than `even`."""
    far = max(max(abs(dy), abs(dx)) for dy, dx, _ in around)
    voters = np.zeros((2 * far + 1, 2 * far + 1), np.uint8)
    for dy, dx, _ in around:
        voters[far + dy, far + dx] = 1
    most = cv2.dilate(values, voters)
    spread = cv2.subtract(most, cv2.erode(values, voters), most)
    cv2.threshold(spread, even, int(_ASK), cv2.THRESH_BINARY, spread)
    return np.asarray(cv2.bitwise_or(values, spread, spread), np.uint8)


def _voted(now: Look, moved: Sequence[_Moved], around: Around, soft: bool, even: int) -> Plane:
    """What was moved along on the first side; where there or elsewhere something else may be meant, what won."""
    values: Plane = moved[0].seen.copy()
    pixels = np.flatnonzero(_asked(moved, even))
    if len(pixels):
        grey = _resized(now, values.shape).take(pixels)
        voters = [_voters(one, pixels) for one in moved]
        values.reshape(-1)[pixels] = (share if soft else elect)(grey, voters, around)
    return np.asarray(values, np.uint8)


def _asked(moved: Sequence[_Moved], even: int) -> NDArray[np.bool_]:
    """Where the sides differ, or something is marked."""
    first, *others = moved
    asked = np.zeros(first.seen.shape, bool) if first.there is None else first.seen == _ASK
    for other in others:
        asked |= cv2.absdiff(first.seen, other.seen) > even
        asked |= other.seen == _ASK
    return np.asarray(asked, bool)


def _voters(one: _Moved, pixels: Index) -> Voters:
    shape = one.seen.shape
    looks = brighter(_resized(one.side.then, shape), one.darker)
    return Voters(looks, one.values, _places(pixels, one.there, shape), one.side.worth)


def _places(pixels: Index, there: Flow | None, shape: tuple[int, ...]) -> Index:
    if there is None:
        return pixels
    height, width = shape
    pairs = there.view(np.complex64).reshape(-1).take(pixels)
    x, y = np.rint(pairs.real).clip(0, width - 1), np.rint(pairs.imag).clip(0, height - 1)
    return np.asarray(y * np.float64(width) + x, np.intp)


def _trust(now: Look, then: Look, way: Flow) -> tuple[Plane, float]:
    """How much what is there, or next to it, looks like what is here; and how much brighter it is here."""
    here = _resized(now, way.shape[:2])
    there = sample(_resized(then, way.shape[:2]), grid(way.shape) + way)
    by = cv2.mean(here)[0] - cv2.mean(there)[0]  # a change of exposure says nothing
    there = brighter(there, by)
    around = np.ones((3, 3), np.uint8)
    unlike = cv2.max(cv2.subtract(here, cv2.dilate(there, around)), cv2.subtract(cv2.erode(there, around), here))
    return np.asarray(cv2.LUT(cv2.blur(unlike, (3, 3)), _TRUST), np.uint8) & inside(way), by


def _sure(one: _Moved) -> Plane:
    shape = one.seen.shape
    trust = _fitted(one.trust, shape)
    if one.side.confidence is None:
        return trust
    confidence = _sampled(one.side.confidence, shape)
    return _times(confidence if one.there is None else sample(confidence, one.there, cv2.INTER_NEAREST), trust)


def _times(sure: Plane, trust: Plane) -> Plane:
    return np.asarray(cv2.multiply(sure, trust, scale=1 / 255), np.uint8)


def _fitted(trust: Plane | None, shape: tuple[int, ...]) -> Plane:
    return np.full(shape, 255, np.uint8) if trust is None else _sampled(trust, shape)


@lru_cache(8)
def _resized(look: Look, shape: tuple[int, ...]) -> Grey:
    """Its grey picture at `shape`, less its noise; kept, as those carried from are asked for again and again."""
    grey = cv2.resize(look.grey, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(grey, (3, 3), _SOFTENED), np.uint8)


def _sampled(plane: Plane, shape: tuple[int, ...]) -> Plane:
    if plane.shape == shape:
        return plane
    return np.asarray(cv2.resize(plane, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), np.uint8)
