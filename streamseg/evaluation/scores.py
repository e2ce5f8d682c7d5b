"""Scores of label pictures, from one confusion matrix over a whole set, and of the borders between classes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.labelmap import VOID

Labels = NDArray[np.uint8]
Counts = NDArray[np.int64]
_NEAR_PX = 2


def confusion(true: Labels, found: Labels, n_classes: int) -> Counts:
    """(C, C) i64: pixels by true class (row) and found class (column); ignored true pixels are left out.

    A found id that is no class is in no column: `scores` counts it as wrong where it is told of all pixels.
    """
    valid = (true < n_classes) & (true != VOID)
    pairs = true[valid].astype(np.int64) * 256 + found[valid]
    return np.asarray(np.bincount(pairs, minlength=n_classes * 256).reshape(n_classes, 256)[:, :n_classes], np.int64)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a confusion matrix says."""

    iou: tuple[float, ...]
    """0..1 for each class: TP / (TP + FP + FN); nan where a class is neither there nor found."""
    miou: float
    """Mean over the classes that are there or were found."""
    accuracy: float
    """Share of the pixels, 0..1, with the right class."""


def scores(matrix: Counts, there: Counts | None = None) -> Scores:
    """Scores of `matrix`; `there`, (C,), is how many pixels each class has, where some were found to be no class."""
    right = np.diag(matrix).astype(float)
    there = matrix.sum(1) if there is None else there
    union = matrix.sum(0) + there - right
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = right / union
    total = there.sum()
    miou = float(np.nanmean(iou)) if (union > 0).any() else float("nan")
    return Scores(tuple(float(value) for value in iou), miou, float(right.sum() / total) if total else float("nan"))


def boundary_f1(true: Labels, found: Labels, n_classes: int) -> float:
    """F1 of the class borders of one picture, 0..1, mean over the classes that are there or were found.

    A border pixel is right where the other picture has a border of the same class within 2 px (Csurka et al., "What is
    a good evaluation measure for semantic segmentation?", 2013). nan where there is no border at all.
    """
    void = true == VOID
    # What is not judged gets no border of its own: there the truth is taken to be what was found.
    true, judged = np.where(void, found, true), ~_dilated(void, 1)
    values = []
    for class_id in range(n_classes):
        edges = [_border(labels == class_id) & judged for labels in (true, found)]
        if edges[0].any() or edges[1].any():
            values.append(_f1(*edges))
    return float(np.mean(values)) if values else float("nan")


def near_counts(true: Labels, found: Labels, n_classes: int) -> Counts:
    """(C, 4) i64 of one picture: pixels found and near a true one, found, true and near a found one, true.

    For `near_f1`, and thin things such as cracks, whose borders nobody can label to the pixel. Void counts for nothing.
    """
    valid = true != VOID
    counts = np.zeros((n_classes, 4), np.int64)
    for class_id in range(n_classes):
        mine, theirs = (true == class_id) & valid, (found == class_id) & valid
        near_mine, near_theirs = (_dilated(mask, _NEAR_PX) for mask in (mine, theirs))
        counts[class_id] = (theirs & near_mine).sum(), theirs.sum(), (mine & near_theirs).sum(), mine.sum()
    return counts


def near_f1(counts: Counts) -> NDArray[np.float64]:
    """(C,) 0..1 from (C, 4) `near_counts`, of one picture or summed over many; nan where a class never is."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = (np.nan_to_num(counts[:, i] / counts[:, i + 1]) for i in (0, 2))
        f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
    return np.where(counts[:, 1] + counts[:, 3] > 0, f1, np.nan)


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    image = mask.view(np.uint8)
    inner = cv2.erode(image, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(image != inner)


def _dilated(mask: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    """With every pixel whose centre is at most `radius_px` away, which the ellipse of OpenCV is wider than."""
    square = np.arange(-radius_px, radius_px + 1) ** 2
    disc = (square[:, None] + square <= radius_px**2).astype(np.uint8)
    return np.asarray(cv2.dilate(mask.view(np.uint8), disc)) > 0


def _f1(true: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    near_true, near_found = (_dilated(mask, _NEAR_PX) for mask in (true, found))
    precision = float((found & near_true).sum() / found.sum()) if found.any() else 0.0
    recall = float((true & near_found).sum() / true.sum()) if true.any() else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
