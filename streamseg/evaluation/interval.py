"""How far a score would move with other pictures of the same kind: bootstrap intervals.

Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7 (1979).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.evaluation.scores import Counts, near_f1

Interval = tuple[float, float]
"""In which 95 % of the draws lie, 0..1; nan where there is nothing to judge."""
_DRAWS = 1000
_ENDS = (2.5, 97.5)


def group_of(name: str, named: str | None) -> str:
    """What a picture belongs to by its file's name: what the expression `named`, or its first bracket, matches there.

    Raises:
        InputError: it matches nothing, or is no regular expression.
    """
    if named is None:
        return name
    try:
        found = re.search(named, name)
    except re.error as error:
        raise InputError(f"--groups {named}: {error}") from None
    group = found and found.group(1 if found.re.groups else 0)
    if group is None:
        raise InputError(f"--groups {named}: matches no part of {name}")
    return group


def draw(groups: Sequence[str]) -> NDArray[np.int64]:
    """(draws, P): how often each picture counts when as many groups as there are are drawn, always the same ones."""
    names, which = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.random.default_rng(0).multinomial(len(names), [1 / len(names)] * len(names), _DRAWS)
    return np.asarray(counts[:, which], np.int64)


def tally(matrix: Counts, near: Counts) -> Counts:
    """(C, 7) of one picture: pixels right, there, found, of its confusion matrix and its `near_counts`; and these.

    Those that were found to be no class are not in the matrix, and there all the same.
    """
    return np.column_stack([np.diag(matrix), near[:, 3], matrix.sum(0), near])


def class_intervals(
    tallies: Sequence[Counts], draws: NDArray[np.int64]
) -> tuple[Interval, list[Interval], list[Interval]]:
    """Of mIoU, and for each class of its IoU and of its F1 within 2 px."""
    totals = np.tensordot(draws, np.asarray(tallies), 1)
    iou = _iou(totals)
    near = near_f1(totals[..., 3:].reshape(-1, 4)).reshape(iou.shape)
    return ends(_mean_iou(iou)), [ends(column) for column in iou.T], [ends(column) for column in near.T]


def miou_draws(tallies: Sequence[Counts], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """(D,): mIoU, 0..1, of each draw."""
    return _mean_iou(_iou(np.tensordot(draws, np.asarray(tallies), 1)))


def _iou(totals: NDArray[Any]) -> NDArray[np.float64]:
    right, there, found = (totals[..., i] for i in range(3))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(right / (there + found - right), np.float64)


def _mean_iou(iou: NDArray[np.float64]) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing are nan, as they should be
        return np.asarray(np.nanmean(iou, axis=1), np.float64)


def mean_interval(values: Sequence[float], draws: NDArray[np.int64]) -> Interval:
    """Of the mean over pictures, those that are nan left out."""
    return ends(mean_draws(values, draws))


def mean_draws(values: Sequence[float], draws: NDArray[np.int64]) -> NDArray[np.float64]:
    """(D,): the same mean of each draw."""
    each = np.asarray(values, np.float64)
    known = ~np.isnan(each)
    counts = draws[:, known]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(counts @ each[known] / counts.sum(1), np.float64)


def ends(values: NDArray[np.float64]) -> Interval:
    """Where 95 % of `values`, (D,), lie."""
    known = values[~np.isnan(values)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.percentile(known, _ENDS)
    return float(low), float(high)
