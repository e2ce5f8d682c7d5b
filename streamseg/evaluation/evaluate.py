"""Runs a model over labelled pictures and adds up what it got right."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import SegmenterFactory
from streamseg.errors import InputError
from streamseg.evaluation.interval import Interval, draw, ends, group_of
from streamseg.evaluation.judges import ClassRow, Judge, LabelJudge, ObjectJudge
from streamseg.evaluation.judges import Wanted as Wanted
from streamseg.evaluation.scores import Counts, Labels
from streamseg.evaluation.temporal import Video
from streamseg.frame import Frame, Image
from streamseg.segmentation import Segmentation

_WORST = 6


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One picture and how the model did on it."""

    name: str
    image: Image
    true: Labels
    """(H, W) u8 class ids."""
    segmentation: Segmentation
    score: float
    """mIoU, or the share of objects that are right, 0..1."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A model's scores on a set."""

    model: str
    pictures: int
    figures: Mapping[str, float]
    """By name, 0..1; the first is what pictures are compared by."""
    classes: tuple[ClassRow, ...]
    """Empty for objects."""
    matrix: Counts | None
    """(C, C): true class, found class."""
    ms_per_picture: float
    """Median, from picture to labels."""
    worst: tuple[Judged, ...]
    """Lowest score first, those with nothing to judge last; six at most."""
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """By the figure's name: where 95 % of the draws from these pictures lie."""
    drawn: NDArray[np.float64] | None = None
    """(D,): the first figure in each of these draws, which are the same for every model."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better one model is than another on the same pictures."""

    figure: str
    by: float
    """0..1; below 0 where it is worse."""
    interval: Interval
    """In which it lies in 95 % of the draws from these pictures."""


def _badness(judged: Judged) -> tuple[bool, float]:
    return bool(np.isnan(judged.score)), judged.score


def difference(one: Evaluation, other: Evaluation) -> Difference:
    """By how much the first figure of `one` is above that of `other`, which was judged on the same pictures.

    Raises:
        InputError: they find different things.
    """
    (name, first), (other_name, second) = (next(iter(each.figures.items())) for each in (one, other))
    told = [(each.name for each in found.classes) for found in (one, other)]
    if name != other_name or [*told[0]] != [*told[1]] or one.drawn is None or other.drawn is None:
        raise InputError(f"{one.model} and {other.model} have other classes: nothing to compare")
    return Difference(name, first - second, ends(one.drawn - other.drawn))


def evaluate(recipe: SegmenterFactory, pictures: Path, truth: Path, wanted: Wanted, threads: int) -> Evaluation:
    """Judges the model on every picture of a folder that is labelled.

    `truth` is a folder of masks of the same names: class ids, or for a model that finds objects their numbers (see
    `find_labelled`, which also takes COCO's JSON). Labels are compared at the mask's own size.

    Raises:
        InputError: no pairs, a mask that cannot be read, of another size, or with an id that is no class.
    """
    labels = None if recipe.instances else LabelJudge(recipe, pictures, truth, wanted)
    judge: Judge = labels or ObjectJudge(recipe, pictures, truth, wanted)
    video = Video(len(recipe.classes)) if wanted.video else None
    segment = recipe.make(threads)
    times_ms: list[float] = []
    judged: list[Judged] = []
    groups = []
    for index, (name, image, compare) in enumerate(judge):
        started_s = time.perf_counter()
        (segmentation,) = segment([Frame(image, index, 0.0, 0.0)])
        times_ms.append((time.perf_counter() - started_s) * 1e3)
        score, true = compare(segmentation)
        judged.append(Judged(name, image, true, segmentation, score))
        judged = sorted(judged, key=_badness)[:_WORST]
        groups.append(group_of(name, wanted.groups))
        if video:
            video.add(image, segmentation.labels, true if labels else None)
    segment.close()
    draws = draw(groups)
    return Evaluation(
        recipe.name, len(times_ms), judge.figures() | (video.figures() if video else {}),
        labels.rows(draws) if labels else (), labels.matrix if labels else None,
        float(np.median(times_ms)), tuple(judged), judge.intervals(draws), judge.drawn(draws),
    )  # fmt: skip
