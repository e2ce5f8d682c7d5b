"""Votes for single pixels: each is asked what it is by those around one place of each side, as they look like it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Index = NDArray[np.intp]
Votes = NDArray[np.float32]
Looks = tuple[Plane, Plane, Plane]
"""Brightness, and twice the colour around 128."""
Around = Sequence[tuple[int, int]]
"""Who votes, nearest first: how far away in y and x, in pixels of the labels."""

ALIKE = 8.0  # levels of difference, summed over brightness and colour, that make a vote e times weaker
_UNDECIDED = 1 / 255  # of a vote: where nothing is alike the motion decides

# Four bytes of a pixel make one number, its value the lowest of them, then how it looks. Of the differences to another
# pixel each counts up to a cap, so that one product has the sum of the looks in the lower seven bits of its highest
# byte, and in that byte's highest bit whether the values differ.
_CAPS = np.array([1, 47, 40, 40], np.uint8)
_SUMMED = np.uint32(1 << 31 | 1 << 16 | 1 << 8 | 1)
_TO_BYTE = 24
_DIFFERS = 128
_AT_ONCE = 1 << 14  # ballots


class Voters(NamedTuple):
    """A side, as far as votes need it."""

    looks: Looks
    values: Plane
    """What is voted for: class ids, or how likely class 1 is, 0..255."""
    places: Index
    """For each pixel that asks: around where its voters are, counted row by row through the planes."""
    darker: float = 0.0
    """Levels of brightness that the looks lack."""
    worth: float = 1.0


class Ballots(NamedTuple):
    """What some of those around each pixel say, each (voters, n)."""

    unlike: Plane
    """0..127: how different they look; `_DIFFERS` more where their value is not the one in question."""
    values: Plane


def voters_around(reach: float, rows: float = 1.0, columns: float = 1.0) -> Around:
    """Those within `reach` pixels, each of which has so many `rows` and `columns` of the labels."""
    side = range(-math.floor(reach), math.floor(reach) + 1)
    near = sorted((math.hypot(dy, dx), dy, dx) for dy in side for dx in side if math.hypot(dy, dx) <= reach)
    return list(dict.fromkeys((round(dy * rows), round(dx * columns)) for _, dy, dx in near))


def elect(looks: Looks, motion: Plane, rival: Plane, sides: Sequence[Voters], around: Around) -> Plane:
    """For each pixel, (n,), its `rival` where that has more than half of the votes, else what the `motion` says."""
    lead = np.full(len(motion), -_UNDECIDED, np.float32)
    for side in sides:
        weights = _weights(side.worth)
        weights[0, _DIFFERS:] *= -1
        for ballots in _poll(looks, rival, side, around):
            lead += cv2.LUT(ballots.unlike, weights).sum(0)
    return np.asarray(np.where(lead > 0, rival, motion), np.uint8)


def share(looks: Looks, motion: Plane, sides: Sequence[Voters], around: Around) -> Plane:
    """How likely class 1 is, (n,) 0..255, when each vote is divided as its side's value says."""
    votes = np.full(len(motion), _UNDECIDED, np.float32)
    ayes = votes * motion
    for side in sides:
        weights = _weights(side.worth)
        for ballots in _poll(looks, motion, side, around):
            weight = cv2.LUT(ballots.unlike, weights)
            votes += weight.sum(0)
            ayes += (weight * ballots.values).sum(0)
    return np.asarray((ayes / votes).round(), np.uint8)


def _poll(looks: Looks, value: Plane, side: Voters, around: Around) -> Iterator[Ballots]:
    """All ballots, as many at once as the processor's nearest memory holds; the next are written over the last.

    At least one pixel must ask.
    """
    at_once = max(1, min(len(around), _AT_ONCE // len(value)))
    shape = at_once, len(value), 4
    asking, said, differ, caps = (np.empty(shape, np.uint8) for _ in range(4))
    bright, *colours = looks
    asking[..., 0] = value
    asking[..., 1] = (bright - np.float32(side.darker)).clip(0, 255).round()
    asking[..., 2], asking[..., 3] = colours
    caps[:] = _CAPS
    # In rows: of an array of one pixel OpenCV cannot tell how it lies, and four numbers alone it takes for a colour.
    asking_rows, said_rows, differ_rows, caps_rows = (
        each.reshape(at_once, -1) for each in (asking, said, differ, caps)
    )
    unlike = np.empty(shape[:2], np.uint8)
    far = max(max(abs(dy), abs(dx)) for dy, dx in around)
    flat, stride = _packed(side, far)
    corners = side.places + side.places // side.values.shape[1] * (2 * far)
    voters = np.array([(far + dy) * stride + far + dx for dy, dx in around], np.intp)
    for start in range(0, len(voters), at_once):
        some = voters[start : start + at_once, None]
        numbers, differences = (each[: len(some)].view(np.uint32)[..., 0] for each in (said, differ))
        flat.take(corners + some, out=numbers, mode="wrap")  # other modes copy once more
        cv2.absdiff(asking_rows, said_rows, differ_rows)
        cv2.min(differ_rows, caps_rows, differ_rows)
        np.multiply(differences, _SUMMED, out=differences)
        np.right_shift(differences, _TO_BYTE, out=unlike[: len(some)], casting="unsafe")
        yield Ballots(unlike[: len(some)], said[: len(some), :, 0])


def _packed(side: Voters, pad: int) -> tuple[NDArray[np.uint32], int]:
    """Each pixel's value and looks as one number, row by row with `pad` more around; and how long a row is."""
    height, width = side.values.shape
    packed = cv2.copyMakeBorder(cv2.merge([side.values, *side.looks]), pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    return np.asarray(packed, np.uint8).reshape(-1).view(np.uint32), width + 2 * pad


def _weights(worth: float) -> Votes:
    """(1, 256) by the bytes of `Ballots`."""
    return np.asarray(worth * np.tile(falling(), (1, 2)), np.float32)


@lru_cache(1)
def falling() -> Votes:
    """(1, 128): what a vote is worth, by how unlike it looks."""
    return np.asarray(np.exp(-np.arange(_DIFFERS)[None] / ALIKE), np.float32)
