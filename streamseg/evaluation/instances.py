"""Scores of found objects: COCO's average precision, and the share of objects right at an overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.evaluation.objects import Numbers, Objects
from streamseg.labelmap import VOID

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps (IoU) at which an object counts as found."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The objects that a model found in one picture, no pixel in two of them."""

    numbers: Numbers
    class_ids: NDArray[np.int32]
    """(N + 1,) i32, as in `Objects`."""
    scores: NDArray[np.float32]
    """(N + 1,) f32, 0..1; the first counts for nothing."""


@dataclass(frozen=True, slots=True)
class InstanceScores:
    """0..1; nan where there is nothing to judge."""

    ap50: float
    """Average precision at IoU 0.5: the area under precision over recall, mean over the classes."""
    ap: float
    """The same, mean over IoU 0.5 to 0.95 in steps of 0.05: COCO's."""
    right50: float
    """TP / (TP + FP + FN) at IoU 0.5, mean over the pictures: what cell challenges call AP."""
    right: float
    """The same, mean over IoU 0.5 to 0.95: the score of the Data Science Bowl 2018."""


class InstanceCount:
    """Adds pictures up. What is found in a crowd of its class, as far as it has to overlap an object, is not judged."""

    def __init__(self, n_classes: int) -> None:
        self._n_classes = n_classes
        self._rights: list[NDArray[np.float64]] = []
        self._truths = np.zeros(n_classes, np.int64)
        self._hits: list[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]] = []

    def add(self, true: Objects, found: Found) -> float:
        """Judges one picture; its share of right objects, mean over IoU 0.5 to 0.95, 0..1 or nan."""
        overlap = overlaps(true, found)
        # Above one half no two objects can claim the same one, so that no order of matching matters.
        hits = np.array([(overlap > threshold).any(0) for threshold in THRESHOLDS]).reshape(len(THRESHOLDS), -1)
        real = _present(found.numbers, found.class_ids)
        there = _present(true.numbers, true.class_ids)
        for class_id in true.class_ids[there]:
            self._truths[class_id] += 1
        judged = hits | (_in_crowds(true, found) < THRESHOLDS[:, None])
        self._hits.append((found.class_ids[real], found.scores[real], hits[:, real], judged[:, real]))
        n_right = hits[:, real].sum(1)
        either = judged[:, real].sum(1) + len(there) - n_right
        with np.errstate(invalid="ignore", divide="ignore"):
            right = n_right / either
        self._rights.append(right)
        return float(right.mean())

    def rights(self) -> NDArray[np.float64]:
        """(P, 10): each picture's share of right objects at each of `THRESHOLDS`; nan where there is nothing."""
        return np.array(self._rights)

    def scores(self) -> InstanceScores:
        """Of all pictures so far."""
        classes, sureness, hits, judged = (np.concatenate(parts, -1) for parts in zip(*self._hits, strict=True))
        precision = np.array(
            [
                [
                    _average_precision(sureness[kept], row[kept], int(self._truths[c]))
                    for row, kept in zip(hits, judged & (classes == c), strict=True)
                ]
                for c in range(1, self._n_classes)
                if self._truths[c]
            ]
        )
        rights = self.rights()
        known = rights[~np.isnan(rights).any(1)]
        return InstanceScores(
            ap50=float(precision[:, 0].mean()) if precision.size else float("nan"),
            ap=float(precision.mean()) if precision.size else float("nan"),
            right50=float(known[:, 0].mean()) if known.size else float("nan"),
            right=float(known.mean()) if known.size else float("nan"),
        )


def overlaps(true: Objects, found: Found) -> NDArray[np.float64]:
    """(T + 1, F + 1): intersection over union of each true with each found object of the same class, else 0."""
    n_true, n_found = len(true.class_ids), len(found.class_ids)
    both = np.bincount(
        true.numbers.reshape(-1).astype(np.int64) * n_found + found.numbers.reshape(-1), minlength=n_true * n_found
    ).reshape(n_true, n_found)
    union = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    alike = true.class_ids[:, None] == found.class_ids[None]
    alike[0], alike[:, 0] = False, False
    return np.where(alike, both / np.maximum(union, 1), 0.0)


def _in_crowds(true: Objects, found: Found) -> NDArray[np.float64]:
    """(F + 1,): the greatest share of each found object that lies in one crowd of its class, 0..1."""
    shares = np.zeros(len(found.class_ids))
    pixels = np.maximum(np.bincount(found.numbers.reshape(-1), minlength=len(shares)), 1)
    for crowd in true.crowds:
        inside = np.bincount(found.numbers[crowd.mask], minlength=len(shares)) / pixels
        of_it = (found.class_ids == crowd.class_id) | (crowd.class_id == VOID)
        shares = np.maximum(shares, np.where(of_it, inside, 0))
    return shares


def _present(numbers: Numbers, class_ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """Which objects have a pixel; one may lie wholly under others."""
    seen = np.bincount(numbers.reshape(-1), minlength=len(class_ids))
    seen[0] = 0
    return np.flatnonzero(seen)


def _average_precision(scores: NDArray[np.float32], hits: NDArray[np.bool_], truths: int) -> float:
    """Area under precision over recall, at 101 recalls (Lin et al., "Microsoft COCO", 2014)."""
    order = np.argsort(-scores, kind="mergesort")
    right = np.cumsum(hits[order])
    if not len(right):
        return 0.0
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / truths, np.linspace(0, 1, 101), side="left")
    return float(np.where(places < len(precision), precision[np.minimum(places, len(precision) - 1)], 0.0).mean())
