"""Votes for single pixels: each is asked what it is by those around one place of each side, as they look like it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Index = NDArray[np.intp]
Around = Sequence[tuple[int, int, float]]
"""Who votes, nearest first: how far away in y and x, in pixels of the labels, and what that makes of its vote."""

_ALIKE = 6.0  # grey levels of difference that make a vote e times weaker
_NEAR_PX = 1.7  # distance that makes one 1.6 times weaker
_LANE, _LANES = 13, 4  # bits that hold every sum of weights, and how many such sums a counter has room for


class Voters(NamedTuple):
    """A side, as far as votes need it."""

    looks: Plane
    values: Plane
    """What is voted for: class ids, or how likely class 1 is, 0..255."""
    places: Index
    """For each pixel that asks: around where its voters are, counted row by row through the planes."""
    worth: float = 1.0


def voters_around(reach: float, rows: float = 1.0, columns: float = 1.0) -> Around:
    """Those within `reach` pixels, each of which has so many `rows` and `columns` of the labels."""
    side = range(-math.floor(reach), math.floor(reach) + 1)
    near = sorted((math.hypot(dx, dy), dx, dy) for dx in side for dy in side if math.hypot(dx, dy) <= reach)
    return [(round(dy * rows), round(dx * columns), math.exp(-(far**2) / (2 * _NEAR_PX**2))) for far, dx, dy in near]


def elect(grey: Plane, sides: Sequence[Voters], around: Around) -> Plane:
    """The class ids that won, (n,), of pixels that look like `grey`, (n,).

    Votes are counted for each bit of the id: the same as class by class where two classes meet, which is nearly
    everywhere that classes meet. An id that is nowhere gives way to the one that the motion leads to on the first side.
    """
    motion = [side.values.take(side.places) for side in sides]
    known = np.bincount(np.concatenate(motion), minlength=256) > 0
    bits = max(int(side.values.max()) for side in sides).bit_length()
    spreads = [_spread(bit, min(bits, bit + _LANES)) for bit in range(0, bits, _LANES)]
    votes, counts = _poll(grey, sides, around, spreads)
    won = np.zeros(grey.shape, np.uint8)
    for bit in range(bits):
        ayes = counts[bit // _LANES] >> np.uint64(bit % _LANES * _LANE) & np.uint64((1 << _LANE) - 1)
        won |= (ayes + ayes > votes).view(np.uint8) << np.uint8(bit)
    return np.asarray(np.where(known[won], won, motion[0]), np.uint8)


def share(grey: Plane, sides: Sequence[Voters], around: Around) -> Plane:
    """How likely class 1 is, (n,) 0..255, when each vote is divided as its side's value says."""
    votes, (ayes,) = _poll(grey, sides, around, [np.arange(256, dtype=np.uint64)])
    return np.asarray((ayes + votes // np.uint64(2)) // votes, np.uint8)


def _poll(
    grey: Plane, sides: Sequence[Voters], around: Around, spreads: Sequence[NDArray[np.uint64]]
) -> tuple[NDArray[np.uint64], list[NDArray[np.uint64]]]:
    """All votes for each pixel, and for each of `spreads` the sum of votes times what it has for the value."""
    votes, *counts = np.zeros((1 + len(spreads), *grey.shape), np.uint64)
    pad = max(max(abs(dy), abs(dx)) for dy, dx, _ in around)
    for side in sides:
        looks, values = (_padded(plane, pad) for plane in (side.looks, side.values))
        width = side.looks.shape[1]
        stride = width + 2 * pad
        place = side.places + (side.places // width * (2 * pad) + pad * (stride + 1))
        for nth, (dy, dx, near) in enumerate(around):
            at = place + (dy * stride + dx)
            there = looks.take(at)
            unlike = np.maximum(grey, there) - np.minimum(grey, there)  # OpenCV takes four pixels or fewer for a colour
            weight = _weights(near * side.worth, nth == 0).take(unlike)
            votes += weight
            value = values.take(at)
            for spread, count in zip(spreads, counts, strict=True):
                count += weight * spread.take(value)
    return votes, counts


def _padded(plane: Plane, pad: int) -> Plane:
    wide = cv2.copyMakeBorder(plane, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    return np.asarray(wide, np.uint8).reshape(-1)


@lru_cache(64)
def _weights(most: float, motion: bool) -> NDArray[np.uint64]:
    """(256,): the weight of a vote by its difference in grey; where nothing is alike the motion decides."""
    weights = (255 * most * np.exp(-np.arange(256) / _ALIKE)).round()
    return np.asarray(np.maximum(weights, 1 if motion else 0), np.uint64)


@lru_cache(16)
def _spread(first: int, end: int) -> NDArray[np.uint64]:
    """(256,): bits `first` to `end` of each id, each at the foot of a lane of its own."""
    ids = np.arange(256, dtype=np.uint64)
    lanes = [(ids >> np.uint64(bit) & np.uint64(1)) << np.uint64((bit - first) * _LANE) for bit in range(first, end)]
    return np.asarray(np.bitwise_or.reduce(lanes), np.uint64)
