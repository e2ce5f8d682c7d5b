"""Runs a model over labelled pictures and adds up what it got right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from streamseg.capture.pictures import SUFFIXES
from streamseg.contracts import Recipe
from streamseg.errors import InputError
from streamseg.evaluation.instances import Found, InstanceCount
from streamseg.evaluation.objects import Objects, find_labelled, read_objects
from streamseg.evaluation.parts import part_scores
from streamseg.evaluation.scores import Counts, Labels, boundary_f1, confusion, near_counts, near_f1, scores
from streamseg.evaluation.temporal import Consistency
from streamseg.frame import Frame, Image
from streamseg.masks import draw_masks
from streamseg.picturefile import read_picture
from streamseg.segmentation import Instances, Segmentation

_MAX_MEGAPIXELS = 64.0
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


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How a class did."""

    name: str
    iou: float
    near_f1: float
    """F1 of its pixels, right within 2 px."""
    share: float
    """Of all pixels."""


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
    """Lowest score first, six at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be judged beyond the usual."""

    ids: Mapping[int, int] = field(default_factory=dict)
    """Ids in the masks that stand for others; 255 is void."""
    pattern: str = "*"
    """Of the names of the pictures that are judged."""
    parts: str | None = None
    """A class whose connected parts are compared as objects."""
    video: bool = False
    """The pictures are the frames of one video, in order."""


class Judge(Protocol):
    """Compares what was found with what is true, picture by picture."""

    def __iter__(self) -> Iterator[tuple[str, Image, Callable[[Segmentation], tuple[float, Labels]]]]:
        """Name and picture, and what to call with the segmentation: gives its score and the true labels."""

    def figures(self) -> dict[str, float]:
        """Scores of everything so far, by name, 0..1."""


def evaluate(recipe: Recipe, pictures: Path, truth: Path, wanted: Wanted, threads: int) -> Evaluation:
    """Judges the model on every picture of a folder that is labelled.

    `truth` is a folder of masks of the same names: class ids, or for a model that finds objects their numbers (see
    `find_labelled`, which also takes COCO's JSON). Labels are compared at the mask's own size.

    Raises:
        InputError: no pairs, a mask that cannot be read, of another size, or with an id that is no class.
    """
    labels = None if recipe.instances else LabelJudge(recipe, pictures, truth, wanted)
    judge: Judge = labels or ObjectJudge(recipe, pictures, truth, wanted)
    consistency = Consistency(len(recipe.classes)) if wanted.video else None
    segment = recipe.make(threads)
    times_ms, judged = [], []
    for index, (name, image, compare) in enumerate(judge):
        started_s = time.perf_counter()
        (segmentation,) = segment([Frame(image, index, 0.0, 0.0)])
        times_ms.append((time.perf_counter() - started_s) * 1e3)
        score, true = compare(segmentation)
        judged.append(Judged(name, image, true, segmentation, score))
        judged = sorted(judged, key=lambda each: each.score)[:_WORST]
        if consistency:
            consistency.add(image, segmentation.labels)
    segment.close()
    figures = judge.figures()
    if consistency:
        figures["temporal_consistency"] = consistency.mean()
    return Evaluation(
        recipe.name, len(times_ms), figures, labels.rows() if labels else (), labels.matrix if labels else None,
        float(np.median(times_ms)), tuple(judged),
    )  # fmt: skip


class LabelJudge:
    """A class for every pixel."""

    def __init__(self, recipe: Recipe, pictures: Path, masks: Path, wanted: Wanted) -> None:
        self._names, self._wanted = recipe.classes.names, wanted
        self._folders = pictures, masks
        n = len(self._names)
        self.matrix = np.zeros((n, n), np.int64)
        self._near = np.zeros((n, 4), np.int64)
        self._borders: list[float] = []
        self._parts: list[tuple[float, float]] = []
        self._pixels = 0
        if wanted.parts is not None and wanted.parts not in self._names:
            raise InputError(f"--parts {wanted.parts}: no such class", f"one of {', '.join(self._names)}")

    def __iter__(self) -> Iterator[tuple[str, Image, Callable[[Segmentation], tuple[float, Labels]]]]:
        for name, image, true in labelled(*self._folders, self._wanted, len(self._names)):
            yield name, image, lambda found, true=true: (self._add(true, found), true)  # type: ignore[misc]

    def _add(self, true: Labels, segmentation: Segmentation) -> float:
        n, size = len(self._names), (true.shape[1], true.shape[0])
        found = np.asarray(cv2.resize(segmentation.labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        one = confusion(true, found, n)
        self.matrix += one
        self._near += near_counts(true, found, n)
        self._pixels += int((true < n).sum())
        self._borders.append(boundary_f1(true, found, n))
        if self._wanted.parts is not None:
            part = self._names.index(self._wanted.parts)
            self._parts.append(part_scores(true == part, found == part))
        return scores(one).miou

    def figures(self) -> dict[str, float]:
        """mIoU, accuracy and boundary F1; the parts' pixel error, Rand and information score where they are wanted."""
        total = scores(self.matrix, self._pixels)
        figures = {"miou": total.miou, "accuracy": total.accuracy, "boundary_f1_2px": _mean(self._borders)}
        if self._parts:
            iou = total.iou[self._names.index(self._wanted.parts or "")]
            figures["pixel_error"] = 1 - 2 * iou / (1 + iou)  # 1 - F1 of the part's pixels
            figures["rand"], figures["information"] = (_mean(values) for values in zip(*self._parts, strict=True))
        return figures

    def rows(self) -> tuple[ClassRow, ...]:
        """A row a class."""
        shares = self.matrix.sum(1) / max(1, self.matrix.sum())
        columns = zip(self._names, scores(self.matrix).iou, near_f1(self._near), shares, strict=True)
        return tuple(ClassRow(name, float(iou), float(near), float(share)) for name, iou, near, share in columns)


class ObjectJudge:
    """Objects, each by itself."""

    def __init__(self, recipe: Recipe, pictures: Path, truth: Path, wanted: Wanted) -> None:
        found = find_labelled(pictures, truth)
        self._labelled = [each for each in found if fnmatch(each.picture.name, wanted.pattern)]
        if not self._labelled:
            raise InputError(f"{pictures}: no labelled picture is called {wanted.pattern}")
        self._names = recipe.classes.names
        self._count = InstanceCount(len(self._names))

    def __iter__(self) -> Iterator[tuple[str, Image, Callable[[Segmentation], tuple[float, Labels]]]]:
        for each in self._labelled:
            image = read_picture(each.picture, _MAX_MEGAPIXELS)
            true = read_objects(each, self._names, image.shape)
            yield each.picture.name, image, lambda found, true=true: self._add(true, found)  # type: ignore[misc]

    def _add(self, true: Objects, segmentation: Segmentation) -> tuple[float, Labels]:
        assert segmentation.instances is not None
        score = self._count.add(true, numbered(segmentation.instances, true.numbers.shape))
        return score, true.class_ids.astype(np.uint8)[true.numbers]

    def figures(self) -> dict[str, float]:
        """Shares of objects right and average precisions."""
        found = self._count.scores()
        return {"right": found.right, "right_50": found.right50, "ap_50": found.ap50, "ap": found.ap}


def numbered(instances: Instances, shape: tuple[int, ...]) -> Found:
    """The objects painted over a picture of (height, width) `shape`, no pixel in two of them, the surest on top."""
    numbers = np.zeros(shape[:2], np.uint16)
    draw_masks(numbers, instances, (shape[0], shape[1]), np.arange(1, len(instances) + 1))
    nothing = np.zeros(1, np.int32)
    return Found(
        numbers,
        np.concatenate([nothing, instances.class_ids]),
        np.concatenate([nothing.astype(np.float32), instances.scores]),
    )


def labelled(pictures: Path, masks: Path, wanted: Wanted, n_classes: int) -> Iterator[tuple[str, Image, Labels]]:
    """Name, picture and mask of every pair, by name."""
    for folder in (pictures, masks):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    by_stem = {path.stem: path for path in sorted(masks.iterdir()) if path.suffix.lower() in SUFFIXES}
    shown = sorted(path for path in pictures.iterdir() if path.suffix.lower() in SUFFIXES)
    found = [path for path in shown if path.stem in by_stem and fnmatch(path.name, wanted.pattern)]
    if not found:
        raise InputError(f"{pictures}: no picture has a mask of its name in {masks}")
    table = np.arange(256, dtype=np.uint8)
    for old, new in wanted.ids.items():
        table[old] = new
    for path in found:
        image = read_picture(path, _MAX_MEGAPIXELS)
        yield path.name, image, _read_mask(by_stem[path.stem], image, table, n_classes)


def _read_mask(path: Path, image: Image, table: Labels, n_classes: int) -> Labels:
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if mask is None or mask.ndim != 2 or mask.dtype != np.uint8:
        raise InputError(f"{path}: not a mask: one channel of bytes, class ids")
    if mask.shape != image.shape[:2]:
        raise InputError(f"{path}: {mask.shape[1]}x{mask.shape[0]}, its picture {image.shape[1]}x{image.shape[0]}")
    labels: Labels = table[mask]
    strange = sorted(set(np.unique(labels).tolist()) - {*range(n_classes), 255})
    if strange:
        said = f"{path}: id {strange[0]} is none of the model's {n_classes} classes"
        raise InputError(said, f"--ids {strange[0]}=255 makes it void")
    return labels


def _mean(values: list[float] | tuple[float, ...]) -> float:
    """Of the numbers among them."""
    real = np.asarray(values, np.float64)
    real = real[~np.isnan(real)]
    return float(real.mean()) if real.size else float("nan")
