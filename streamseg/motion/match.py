"""Labels taken from where each pixel came from, by motion and then by looks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.motion.flow import Flow, Grey, Look, destinations, sample

Plane = NDArray[np.uint8]

_REACH = 2
_SHIFTS = sorted(
    ((dx, dy) for dx in range(-_REACH, _REACH + 1) for dy in range(-_REACH, _REACH + 1)),
    key=lambda shift: float(np.hypot(*shift)),
)
_STEP_COST = 2.0  # grey levels a pixel of the grey picture: the motion is right unless the looks say otherwise
_SURE, _LOST = 8, 40  # mean differences in grey levels that cost no confidence, and all of it
_TRUST = np.clip(np.interp(np.arange(256), [_SURE, _LOST], [255, 0]), 0, 255).astype(np.uint8)


class Side(NamedTuple):
    """A frame that labels can come from."""

    then: Look
    way: Flow
    labels: Plane
    confidence: Plane | None


def match(now: Look, sides: Sequence[Side]) -> tuple[Plane, Plane]:
    """Labels and confidence for `now`, each (h, w) u8 like those of the first side.

    Each pixel gets the label of the pixel that the motion leads to, or of one up to two pixels around it which looks
    more alike: so borders settle on the picture's own. From two sides the more alike one wins. Labels are sampled
    once, whatever the length of the way. How unlike the best one still is lowers its confidence.
    """
    shape = sides[0].labels.shape
    work = min(shape, now.grey.shape, key=lambda size: size[0] * size[1])
    grey = _resized(now.grey, work)
    best = np.full(work, 255, np.uint8)
    labels, confidence = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for side in sides:
        for cost, found, sure in _candidates(grey, side, shape):
            better = _sampled(np.asarray(cv2.compare(cost, best, cv2.CMP_LT), np.uint8), shape)
            cv2.min(best, cost, best)
            cv2.copyTo(found, better, labels)
            cv2.copyTo(sure, better, confidence)
    trust = _sampled(np.asarray(cv2.LUT(best, _TRUST), np.uint8), shape)
    return labels, np.asarray(cv2.multiply(confidence, trust, scale=1 / 255), np.uint8)


def _candidates(grey: Grey, side: Side, shape: tuple[int, ...]) -> Iterator[tuple[Plane, Plane, Plane]]:
    """For each shift: how unlike its pixels are, their labels and their confidence."""
    there = destinations(side.way, grey.shape)
    moved = sample(_resized(side.then.grey, grey.shape), there)
    moved = _lighter(moved, cv2.mean(grey)[0] - cv2.mean(moved)[0])  # an exposure that changed says nothing
    if shape != grey.shape:
        there = destinations(side.way, shape)
    labels = sample(_sampled(side.labels, shape), there, cv2.INTER_NEAREST)
    known = np.full(shape, 255, np.uint8) if side.confidence is None else _sampled(side.confidence, shape)
    sure = sample(known, there, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
    ratio = shape[0] / grey.shape[0], shape[1] / grey.shape[1]
    looks, found, how_sure = _Shifts(moved), _Shifts(labels, *ratio), _Shifts(sure, *ratio)
    for dx, dy in _SHIFTS:
        cost = np.asarray(cv2.blur(cv2.absdiff(grey, looks(dx, dy)), (3, 3)), np.uint8)
        yield _lighter(cost, _STEP_COST * float(np.hypot(dx, dy))), found(dx, dy), how_sure(dx, dy)


class _Shifts:
    """A plane from a few pixels further on; beyond the edge as at the edge."""

    def __init__(self, plane: Plane, rows: float = 1.0, columns: float = 1.0) -> None:
        self._height, self._width = plane.shape
        self._rows, self._columns = rows, columns
        self._pad = pad = math.ceil(_REACH * max(rows, columns))
        self._wide = np.asarray(cv2.copyMakeBorder(plane, pad, pad, pad, pad, cv2.BORDER_REPLICATE), np.uint8)

    def __call__(self, dx: int, dy: int) -> Plane:
        top, left = self._pad + round(dy * self._rows), self._pad + round(dx * self._columns)
        return self._wide[top : top + self._height, left : left + self._width]


def _lighter(plane: Plane, by: float) -> Plane:
    return np.asarray(cv2.add(plane, (by,)), np.uint8)  # type: ignore[call-overload]


def _resized(grey: Grey, shape: tuple[int, ...]) -> Grey:
    if grey.shape == shape:
        return grey
    return np.asarray(cv2.resize(grey, (shape[1], shape[0]), interpolation=cv2.INTER_AREA), np.uint8)


def _sampled(plane: Plane, shape: tuple[int, ...]) -> Plane:
    if plane.shape == shape:
        return plane
    return np.asarray(cv2.resize(plane, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), np.uint8)
