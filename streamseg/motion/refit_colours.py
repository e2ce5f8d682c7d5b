"""How likely a pixel is an object's by its colour, as a frame shows whose mask is known."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.motion.flow import Flow, grid
from streamseg.motion.voting import Plane

SIZE = 96, 160
"""Height and width of all that the network sees."""
_CELL = 16  # pixels a side, in which colours are counted together
_CELLS = SIZE[0] // _CELL, SIZE[1] // _CELL
_VALUES = np.arange(256)
_LEVELS = np.digitize(_VALUES, (100, 114, 123, 133, 142, 156))
"""Of blue or red: finest near grey, where most of a picture is."""
_OF_512 = tuple(each.astype(np.uint16) for each in ((_VALUES >> 5) * 64, _LEVELS * 8, _LEVELS))
_OF_4096 = tuple((_VALUES >> 4).astype(np.uint16) * np.uint16(each) for each in (256, 16, 1))
"""What brightness, blue and red add to the number of a colour."""
_UNSURE = 1.0  # pixels of either kind that are taken for seen everywhere


class Colours(NamedTuple):
    """How likely each colour is the object's, in 255th."""

    everywhere: Plane
    """(4096,): each of 16x16x16."""
    near: NDArray[np.uint8]
    """(cells, 512), row by row: each of 8x8x8 near the middle of each cell; nothing is known there: 127."""


def likely_colours(picture: NDArray[np.uint8], mask: Plane) -> Colours:
    """By histograms of a picture, (3, h, w) of `SIZE`, and the mask of the object in it."""
    return Colours(_everywhere(picture, mask), _near(picture, mask))


def likely(picture: NDArray[np.uint8], colours: Colours, places: Flow | None) -> NDArray[np.uint8]:
    """(2, h, w) of `SIZE`: by the colours of the whole object, and by those near where each pixel was (`places`)."""
    return np.stack(
        [colours.everywhere.take(_bins(picture).astype(np.intp)), _looked_up(picture, colours.near, places)]
    )


# Everywhere.


def _everywhere(picture: NDArray[np.uint8], mask: Plane) -> Plane:
    """(4096,): by histograms of the object and of what is around it, its box with half of its sides more.

    Those of 8x8x8 colours count as well: they know colours that are near those that were seen.
    """
    top, bottom = _ends(mask.max(axis=1))
    left, right = _ends(mask.max(axis=0))
    high, wide = max(8, (bottom - top) // 2), max(8, (right - left) // 2)
    around = np.s_[max(0, top - high) : bottom + high, max(0, left - wide) : right + wide]
    bins, share = _bins(picture)[around].ravel(), mask[around].ravel() / 255
    counts = [_counted(bins, each) for each in (share, 1 - share)]
    coarse = [count.sum((1, 3, 5), keepdims=True) for count in counts]
    part = _part(*counts) + _part(*coarse)
    return np.asarray(part * 127.5, np.uint8).ravel()


def _counted(bins: NDArray[np.uint16], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.bincount(bins, weights, 16**3), np.float64).reshape(8, 2, 8, 2, 8, 2)


def _part(thing: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    return (thing + 0.25) / (thing + rest + 0.5)


def _bins(picture: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """(h, w): which of 16x16x16 colours."""
    return _numbered(picture, _OF_4096)


def _ends(there: Plane) -> tuple[int, int]:
    """The first place that is mostly the object's, and the one behind the last."""
    places = np.flatnonzero(there > 64)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, len(there))


# Near each place.


def _near(picture: NDArray[np.uint8], mask: Plane) -> NDArray[np.uint8]:
    bins = (_OWN_CELLS * 512 + _coarse(picture)).ravel()
    counts = np.empty((2, *_CELLS, 8, 64), np.float32)
    counts[0] = np.bincount(bins, mask.ravel(), counts[0].size).reshape(counts[0].shape)
    counts[1] = np.bincount(bins, minlength=counts[1].size).reshape(counts[1].shape)
    thing, either = _TO_NEXT @ counts  # brightnesses that are near count as well
    either += 2 * _UNSURE
    thing += 255 * _UNSURE
    thing /= either
    return np.asarray(thing, np.uint8).reshape(-1, 512)


def _looked_up(picture: NDArray[np.uint8], near: NDArray[np.uint8], places: Flow | None) -> Plane:
    """(h, w): of the cells around where each pixel was, the nearer the more."""
    across, down = (
        np.clip(each * np.float32(1 / _CELL) + np.float32(0.5 / _CELL - 0.5), 0, np.float32(cells - 1.001))
        for each, cells in zip(cv2.split(grid(SIZE) if places is None else places), _CELLS[::-1], strict=True)
    )
    column, at = across.astype(np.int32), down.astype(np.int32)
    across -= column
    down -= at
    at *= _CELLS[1]
    at += column
    at *= 512
    at += _coarse(picture)
    where, flat = at.astype(np.intp), near.ravel()
    one, two, three, four = (flat.take(where + step).astype(np.float32) for step in _STEPS)
    for left, right in ((one, two), (three, four)):  # in place: this is asked for every frame
        right -= left
        right *= across
        left += right
    three -= one
    three *= down
    one += three
    return np.asarray(one, np.uint8)


_TO_NEXT = (2 * np.eye(8) + np.eye(8, k=1) + np.eye(8, k=-1)).astype(np.float32)
_STEPS = 0, 512, _CELLS[1] * 512, (_CELLS[1] + 1) * 512
_OWN_CELLS = (grid(SIZE) // _CELL @ np.array([1, _CELLS[1]])).astype(np.intp)


def _coarse(picture: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """(h, w): which of 8x8x8 colours."""
    return _numbered(picture, _OF_512)


def _numbered(picture: NDArray[np.uint8], tables: tuple[NDArray[np.uint16], ...]) -> NDArray[np.uint16]:
    y, blue, red = (cv2.LUT(plane, table) for plane, table in zip(picture, tables, strict=True))
    return np.asarray(cv2.add(cv2.add(y, blue), red), np.uint16)
