"""Non-maximum suppression: of boxes of one class that overlap the best stays, as detectors are trained to need it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_APART_PX = np.float32(7680)
"""Between classes, whose boxes are moved apart as Ultralytics does it: what it rounds is rounded alike."""
_PORTION = 512  # boxes that are decided on in one step: about twice as many as frameworks keep of a picture
_KEPT_AT_ONCE = 64  # the best remove most: what is left after them is little to compare with the others


def keep_best(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.int32],
    overlap: float,
    most: int | None = None,
) -> NDArray[np.intp]:
    """Indices of the boxes that stay, best first, `most` at most; `boxes` are (K, 4): left, top, right, bottom.

    Greedy: from the best down, each box removes those of its class that it overlaps by more than `overlap`, an
    intersection over union of 0..1. Boxes are decided on in portions, best first, and only until there are `most`:
    what comes after them has no say, so the work is bounded however many boxes there are.
    """
    order = np.argsort(-scores, kind="stable")
    sides = np.ascontiguousarray((boxes + (class_ids * _APART_PX)[:, None]).T, np.float32)
    areas = (sides[2] - sides[0]) * (sides[3] - sides[1])
    kept = order[:0]
    for start in range(0, len(order), _PORTION):
        portion = order[start : start + _PORTION]
        for first in range(0, len(kept), _KEPT_AT_ONCE):
            portion = _apart(sides, areas, class_ids, kept[first : first + _KEPT_AT_ONCE], portion, overlap)
        kept = np.concatenate([kept, _greedy(sides, areas, class_ids, portion, overlap)])
        if most is not None and len(kept) >= most:
            break
    return kept[:most]


def _apart(
    sides: NDArray[np.float32],
    areas: NDArray[np.float32],
    class_ids: NDArray[np.int32],
    kept: NDArray[np.intp],
    portion: NDArray[np.intp],
    overlap: float,
) -> NDArray[np.intp]:
    """Those of the portion that overlap none of those that are kept, in its order."""
    kept = kept[np.argsort(class_ids[kept], kind="stable")]
    own, ids = class_ids[kept], class_ids[portion]
    begins = np.searchsorted(own, ids)
    counts = np.searchsorted(own, ids, side="right") - begins
    first, second = _pairs(begins, counts)
    beaten = second[_overlapping(sides, areas, kept[first], portion[second], overlap)]
    stays = np.ones(len(portion), bool)
    stays[beaten] = False
    return portion[stays]


def _greedy(
    sides: NDArray[np.float32],
    areas: NDArray[np.float32],
    class_ids: NDArray[np.int32],
    portion: NDArray[np.intp],
    overlap: float,
) -> NDArray[np.intp]:
    """Those of the portion that stay among themselves, in its order, which is best first."""
    ranks = np.argsort(class_ids[portion], kind="stable")
    ids = class_ids[portion[ranks]]
    ahead = np.arange(1, len(ids) + 1)
    second, first = _pairs(ahead, np.searchsorted(ids, ids, side="right") - ahead)
    over = _overlapping(sides, areas, portion[ranks[first]], portion[ranks[second]], overlap)
    first, second = ranks[first[over]], ranks[second[over]]
    alive = np.ones(len(portion), bool)
    while len(first):  # of those whose fate is open some are beaten by none that is left: they stay
        beaten = np.zeros(len(portion), bool)
        beaten[second] = True
        stays = ~beaten[first]
        alive[second[stays]] = False
        still = alive[first] & alive[second] & ~stays
        first, second = first[still], second[still]
    return portion[alive]


def _pairs(begins: NDArray[np.intp], counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each i the numbers from `begins[i]` on, `counts[i]` of them, and beside each of them i."""
    ends = np.cumsum(counts)
    beside = np.repeat(np.arange(len(counts)), counts)
    return np.arange(len(beside)) + np.repeat(begins - (ends - counts), counts), beside


def _overlapping(
    sides: NDArray[np.float32],
    areas: NDArray[np.float32],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    overlap: float,
) -> NDArray[np.intp]:
    """Which of those pairs overlap by more than that; most lie beside each other, and need no more than a look."""
    left, top, right, bottom = sides
    wide = np.minimum(right.take(first), right.take(second)) - np.maximum(left.take(first), left.take(second))
    near = np.flatnonzero(wide > 0)
    wide, first, second = wide[near], first[near], second[near]
    high = np.minimum(bottom[first], bottom[second]) - np.maximum(top[first], top[second])
    shared = wide * np.maximum(high, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(near[shared / (areas[first] + areas[second] - shared) > overlap])
