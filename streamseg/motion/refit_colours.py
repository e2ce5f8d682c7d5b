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
_OF_512_CELLS = tuple(each * np.uint16(_CELLS[1]) for each in _OF_512)
_UNSURE = 1.0  # pixels of either kind that are taken for seen everywhere


class Colours(NamedTuple):
    """How likely each colour is the object's, in 255th."""

    everywhere: Plane
    """(4096,): each of 16x16x16."""
    near: NDArray[np.uint8]
    """(cells down, 512 x cells across): each of 8x8x8 near the middle of each cell, side by side, so that what lies
    between cells is one look away; nothing is known there: 127."""


def likely_colours(picture: NDArray[np.uint8], mask: Plane) -> Colours:
    """By histograms of a picture, (3, h, w) of `SIZE`, and the mask of the object in it."""
    return Colours(_everywhere(picture, mask), _near(picture, mask))


def likely(picture: NDArray[np.uint8], colours: Colours, places: Flow | None) -> NDArray[np.uint8]:
    """(2, h, w) like a picture, (3, h, w) of any size, and where each of its pixels was; None: at its own place.

    By the colours of the whole object, and by those near there.
    """
    near = _looked_up(picture, colours.near, grid(SIZE) if places is None else places)
    return np.stack([colours.everywhere.take(_bins(picture).astype(np.intp)), near])


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
    thing, either = _counted(bins, share), _counted(bins, None)
    counts = [thing, either - thing]
    coarse = [_coarser(count) for count in counts]
    part = _part(*counts) + _part(*coarse)
    return np.asarray(part * 127.5, np.uint8).ravel()


def _counted(bins: NDArray[np.uint16], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return np.asarray(np.bincount(bins, weights, 16**3), np.float64).reshape(8, 2, 8, 2, 8, 2)


def _coarser(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(8, 1, 8, 1, 8, 1): those of neighbours together."""
    for axis in (1, 3, 5):  # one by one: all at once takes several times as long
        counts = counts.sum(axis, keepdims=True)
    return counts


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
    likely = np.asarray(thing, np.uint8).reshape(*_CELLS, 512)
    return np.ascontiguousarray(likely.transpose(0, 2, 1)).reshape(_CELLS[0], 512 * _CELLS[1])


def _looked_up(picture: NDArray[np.uint8], near: NDArray[np.uint8], places: Flow) -> Plane:
    """(h, w): of the cells around where each pixel was, the nearer the more."""
    across, down = cv2.split(places)
    for each, cells in ((across, _CELLS[1]), (down, _CELLS[0])):  # in place: this is asked for every frame
        each *= np.float32(1 / _CELL)
        each += np.float32(0.5 / _CELL - 0.5)
        np.clip(each, 0, np.float32(cells - 1), out=each)
    across += _numbered(picture, _OF_512_CELLS)
    return np.asarray(cv2.remap(near, across, down, cv2.INTER_LINEAR), np.uint8)


_TO_NEXT = (2 * np.eye(8) + np.eye(8, k=1) + np.eye(8, k=-1)).astype(np.float32)
_OWN_CELLS = (grid(SIZE) // _CELL @ np.array([1, _CELLS[1]])).astype(np.intp)


def _coarse(picture: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """(h, w): which of 8x8x8 colours."""
    return _numbered(picture, _OF_512)


def _numbered(picture: NDArray[np.uint8], tables: tuple[NDArray[np.uint16], ...]) -> NDArray[np.uint16]:
    y, blue, red = (cv2.LUT(plane, table) for plane, table in zip(picture, tables, strict=True))
    return np.asarray(cv2.add(cv2.add(y, blue), red), np.uint16)
