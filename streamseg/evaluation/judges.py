"""What compares a model's answers with the truth, picture by picture: labels, or objects."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.capture.media import visible_images
from streamseg.contracts import SegmenterFactory
from streamseg.errors import InputError
from streamseg.evaluation.instances import Found, InstanceCount
from streamseg.evaluation.interval import Interval, class_intervals, mean_draws, mean_interval, miou_draws, tally
from streamseg.evaluation.objects import Objects, find_labelled, read_objects
from streamseg.evaluation.parts import PartCount
from streamseg.evaluation.scores import Counts, Labels, boundary_f1, confusion, near_counts, near_f1, scores
from streamseg.frame import Image
from streamseg.imagefile import read_image
from streamseg.labelmap import VOID
from streamseg.maskfile import Mask, black_and_white, is_of, read_mask
from streamseg.masks import sampled
from streamseg.segmentation import Instances, Segmentation, draw_masks

_TWO = 2  # classes: only then does the confidence tell how sure the other one is
_UNKNOWN = (float("nan"), float("nan"))
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How a class did."""

    name: str
    iou: float
    near_f1: float
    """F1 of its pixels, right within 2 px."""
    share: float
    """Of all pixels."""
    iou_95: Interval = _UNKNOWN
    near_f1_95: Interval = _UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be judged beyond the usual."""

    ids: Mapping[int, int] = field(default_factory=dict)
    """Ids in the masks that stand for others; 255 is void."""
    pattern: str = "*"
    """Of the names of the pictures that are judged."""
    names: frozenset[str] | None = None
    """The names themselves; None: all."""

    def judges(self, name: str) -> bool:
        """Whether the picture of that name is judged."""
        return fnmatch(name, self.pattern) and (self.names is None or name in self.names)

    parts: str | None = None
    """A class whose connected parts are compared as objects."""
    video: bool = False
    """The pictures are the frames of one video, in order."""
    groups: str | None = None
    """A regular expression for what pictures belong together by their names: intervals are drawn of those."""


class Judge(Protocol):
    """Compares what was found with what is true, picture by picture."""

    def __iter__(self) -> Iterator[tuple[str, Image, Callable[[Segmentation], tuple[float, Labels]]]]:
        """Name and picture, and what to call with the segmentation: gives its score and the true labels."""

    def figures(self) -> dict[str, float]:
        """Scores of everything so far, by name, 0..1."""

    def intervals(self, draws: NDArray[np.int64]) -> dict[str, Interval]:
        """Of some of the figures; `draws` (D, P) says how often each picture counts."""

    def drawn(self, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        """(D,): the first of the figures in each draw."""


class LabelJudge:
    """A class for every pixel."""

    def __init__(self, recipe: SegmenterFactory, images: Path, masks: Path, wanted: Wanted) -> None:
        self._names, self._wanted = recipe.classes.names, wanted
        self._folders = images, masks
        n = len(self._names)
        self.matrix = np.zeros((n, n), np.int64)
        self._tallies: list[Counts] = []
        self._borders: list[float] = []
        self._parts = PartCount()
        self._there = np.zeros(n, np.int64)
        if wanted.parts is not None and wanted.parts not in self._names:
            raise InputError(f"--parts {wanted.parts}: no such class", f"one of {', '.join(self._names)}")

    def __iter__(self) -> Iterator[tuple[str, Image, Callable[[Segmentation], tuple[float, Labels]]]]:
        for name, image, true in labelled(*self._folders, self._wanted, len(self._names)):
            yield name, image, lambda found, true=true: (self._add(true, found), true)  # type: ignore[misc]

    def _add(self, true: Labels, segmentation: Segmentation) -> float:
        n, found = len(self._names), sampled(segmentation.labels, (true.shape[0], true.shape[1]))
        one = confusion(true, found, n)
        self.matrix += one
        self._tallies.append(tally(one, near_counts(true, found, n)))
        there = np.bincount(true.reshape(-1), minlength=256)[:n]
        self._there += there
        self._borders.append(boundary_f1(true, found, n))
        if self._wanted.parts is not None:
            part = self._names.index(self._wanted.parts)
            sure = segmentation.confidence if len(self._names) == _TWO else None
            self._parts.add(true == part, found == part, sure)
        return scores(one, there).miou

    def figures(self) -> dict[str, float]:
        """mIoU, accuracy and boundary F1; the parts' pixel error, Rand and information score where they are wanted."""
        total = scores(self.matrix, self._there)
        figures = {"miou": total.miou, "accuracy": total.accuracy, "boundary_f1_2px": _mean(self._borders)}
        if self._wanted.parts is not None:
            iou = total.iou[self._names.index(self._wanted.parts)]
            figures["pixel_error"] = 1 - 2 * iou / (1 + iou)  # 1 - F1 of the part's pixels
            figures |= self._parts.figures()
        return figures

    def intervals(self, draws: NDArray[np.int64]) -> dict[str, Interval]:
        """Of mIoU and the boundaries' F1."""
        miou, _, _ = class_intervals(self._tallies, draws)
        return {"miou": miou, "boundary_f1_2px": mean_interval(self._borders, draws)}

    def drawn(self, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        """(D,): the mIoU of each draw."""
        return miou_draws(self._tallies, draws)

    def rows(self, draws: NDArray[np.int64]) -> tuple[ClassRow, ...]:
        """A row a class."""
        shares = self._there / max(1, self._there.sum())
        near = near_f1(np.sum(self._tallies, axis=0)[:, 3:])
        _, iou_95, near_95 = class_intervals(self._tallies, draws)
        figures = zip(scores(self.matrix, self._there).iou, near, shares, strict=True)
        return tuple(
            ClassRow(name, float(iou), float(f1), float(share), *ends)
            for name, (iou, f1, share), ends in zip(
                self._names, figures, zip(iou_95, near_95, strict=True), strict=True
            )
        )


class ObjectJudge:
    """Objects, each by itself."""

    def __init__(self, recipe: SegmenterFactory, images: Path, truth: Path, wanted: Wanted) -> None:
        found = find_labelled(images, truth)
        self._labelled = [each for each in found if wanted.judges(each.image.name)]
        if not self._labelled:
            raise InputError(f"{images}: no labelled picture is called {wanted.pattern}")
        self._names = recipe.classes.names
        self._count = InstanceCount(len(self._names))

    def __iter__(self) -> Iterator[tuple[str, Image, Callable[[Segmentation], tuple[float, Labels]]]]:
        for each in self._labelled:
            image = read_image(each.image)
            true = read_objects(each, self._names, image.shape)
            yield each.image.name, image, lambda found, true=true: self._add(true, found)  # type: ignore[misc]

    def _add(self, true: Objects, segmentation: Segmentation) -> tuple[float, Labels]:
        assert segmentation.instances is not None
        score = self._count.add(true, numbered(segmentation.instances, true.numbers.shape))
        return score, true.class_ids.astype(np.uint8)[true.numbers]

    def figures(self) -> dict[str, float]:
        """Shares of objects right and average precisions."""
        found = self._count.scores()
        return {"right": found.right, "right_50": found.right50, "ap_50": found.ap50, "ap": found.ap}

    def intervals(self, draws: NDArray[np.int64]) -> dict[str, Interval]:
        """Of the shares of objects that are right."""
        rights = self._count.rights()
        return {
            "right": mean_interval(rights.mean(1).tolist(), draws),
            "right_50": mean_interval(rights[:, 0].tolist(), draws),
        }

    def drawn(self, draws: NDArray[np.int64]) -> NDArray[np.float64]:
        """(D,): the share of objects that are right in each draw."""
        return mean_draws(self._count.rights().mean(1).tolist(), draws)


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


def labelled(images: Path, masks: Path, wanted: Wanted, n_classes: int) -> Iterator[tuple[str, Image, Labels]]:
    """Name, picture and mask of every pair, by name."""
    for folder in (images, masks):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    known = sorted(visible_images(masks.iterdir()), key=lambda path: path.suffix.lower() == ".png")
    by_stem = {path.stem: path for path in known}  # a PNG, where there is one
    pairs = [path for path in visible_images(images.iterdir()) if is_of(by_stem.get(path.stem), path)]
    found = [path for path in pairs if wanted.judges(path.name)]
    if not found:
        raise InputError(f"{images}: no picture has a mask of its name in {masks}")
    table = np.arange(256, dtype=np.uint8)
    if VOID not in wanted.ids and black_and_white(by_stem[path.stem] for path in pairs):
        _log.warning("%s: nothing but 0 and 255 in it: 255 is taken for class 1 (--ids 255=255 keeps it void)", masks)
        table[VOID] = 1
    for old, new in wanted.ids.items():
        table[old] = new
    for path in found:
        image = read_image(path)
        yield path.name, image, _read_labels(by_stem[path.stem], image, table, n_classes)


def _read_labels(path: Path, image: Image, table: Labels, n_classes: int) -> Labels:
    try:
        mask: Mask | None = read_mask(path)
    except InputError:
        mask = None
    if mask is None or mask.dtype != np.uint8:
        raise InputError(f"{path}: not a mask: one channel of bytes, class ids")
    if mask.shape != image.shape[:2]:
        raise InputError(f"{path}: {mask.shape[1]}x{mask.shape[0]}, its picture {image.shape[1]}x{image.shape[0]}")
    labels: Labels = table[mask]
    strange = sorted(set(np.unique(labels).tolist()) - {*range(n_classes), VOID})
    if strange:
        said = f"{path}: id {strange[0]} is none of the model's {n_classes} classes"
        raise InputError(said, f"--ids {strange[0]}=255 makes it void")
    return labels


def _mean(values: list[float] | tuple[float, ...]) -> float:
    """Of the numbers among them."""
    real = np.asarray(values, np.float64)
    real = real[~np.isnan(real)]
    return float(real.mean()) if real.size else float("nan")
