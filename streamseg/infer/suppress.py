"""Non-maximum suppression: of boxes of one class that overlap the best stays, as detectors are trained to need it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_APART_PX = np.float32(7680)
"""Between classes, whose boxes are moved apart as Ultralytics does it: what it rounds is rounded alike."""
_AT_ONCE = 1 << 19  # pairs that are compared in one step


def keep_best(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], class_ids: NDArray[np.int32], overlap: float
) -> NDArray[np.intp]:
    """Indices of the boxes that stay, best first; `boxes` are (K, 4): left, top, right, bottom.

    Greedy: from the best down, each box removes those of its class that it overlaps by more than `overlap`, an
    intersection over union of 0..1. Pairs of one class are compared in bulk, which for 2,400 boxes of 80 classes takes
    a tenth of the time of box after box.
    """
    order = np.lexsort((-scores, class_ids))
    sorted_ids = class_ids[order]
    ends = np.searchsorted(sorted_ids, sorted_ids, side="right")
    sides = np.ascontiguousarray((boxes[order] + (sorted_ids * _APART_PX)[:, None]).T, np.float32)
    areas = (sides[2] - sides[0]) * (sides[3] - sides[1])
    alive = np.ones(len(order), bool)
    start = 0
    while start < len(order):
        rows = start + np.flatnonzero(alive[start:])
        if not len(rows):
            break
        counts = ends[rows] - rows - 1
        rows = rows[: max(1, int(np.searchsorted(np.cumsum(counts), _AT_ONCE, side="right")))]
        counts = counts[: len(rows)]
        begins = np.cumsum(counts) - counts
        first = np.repeat(rows, counts)
        second = np.arange(len(first)) + np.repeat(rows + 1 - begins, counts)
        over = _overlaps(sides, areas, first, second, overlap)
        first, second = first[over], second[over]
        bounds = np.searchsorted(first, rows).tolist()
        for row, low, high in zip(rows.tolist(), bounds, [*bounds[1:], len(first)], strict=True):
            if low < high and alive[row]:
                alive[second[low:high]] = False
        start = int(rows[-1]) + 1
    kept = order[alive]
    return np.asarray(kept[np.argsort(-scores[kept], kind="stable")])


def _overlaps(
    sides: NDArray[np.float32],
    areas: NDArray[np.float32],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    overlap: float,
) -> NDArray[np.bool_]:
    wide = np.minimum(sides[2][first], sides[2][second]) - np.maximum(sides[0][first], sides[0][second])
    high = np.minimum(sides[3][first], sides[3][second]) - np.maximum(sides[1][first], sides[1][second])
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(shared / (areas[first] + areas[second] - shared) > overlap)
