"""Runs a model over labelled pictures and adds up what it got right."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from streamseg.capture.pictures import SUFFIXES, read_picture
from streamseg.contracts import Recipe
from streamseg.errors import InputError
from streamseg.evaluation.scores import Counts, Labels, Scores, boundary_f1, confusion, scores
from streamseg.frame import Frame, Image
from streamseg.segmentation import Segmentation

_log = logging.getLogger(__name__)
_MAX_MEGAPIXELS = 64.0


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One picture and how the model did on it."""

    name: str
    image: Image
    true: Labels
    segmentation: Segmentation
    miou: float


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A model's scores on a set."""

    model: str
    pictures: int
    classes: tuple[str, ...]
    matrix: Counts
    scores: Scores
    boundary_f1: float
    """At 2 px, mean over pictures."""
    ms_per_picture: float
    """Median, from picture to labels."""
    worst: tuple[Judged, ...]
    """Lowest mIoU first, six at most."""


def evaluate(recipe: Recipe, pictures: Path, masks: Path, ids: Mapping[int, int], threads: int) -> Evaluation:
    """Judges the model on every picture of a folder that has a mask of the same name in the other.

    Masks hold class ids; `ids` renames some of them, to 255 for void. Labels are compared at the mask's own size.

    Raises:
        InputError: no pairs, a mask that cannot be read, of another size, or with an id that is no class.
    """
    segment = recipe.make(threads)
    n = len(recipe.classes)
    matrix, borders, times_ms, judged = np.zeros((n, n), np.int64), [], [], []
    pixels = 0
    for index, (name, image, true) in enumerate(labelled(pictures, masks, ids, n)):
        started_s = time.perf_counter()
        (segmentation,) = segment([Frame(image, index, 0.0, 0.0)])
        times_ms.append((time.perf_counter() - started_s) * 1e3)
        size = true.shape[1], true.shape[0]
        found = np.asarray(cv2.resize(segmentation.labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        one = confusion(true, found, n)
        matrix += one
        pixels += int((true < n).sum())
        borders.append(boundary_f1(true, found, n))
        judged.append(Judged(name, image, true, segmentation, scores(one).miou))
        judged = sorted(judged, key=lambda each: each.miou)[:6]
    segment.close()
    return Evaluation(
        recipe.name, len(times_ms), recipe.classes.names, matrix, scores(matrix, pixels),
        float(np.nanmean(borders)), float(np.median(times_ms)), tuple(judged),
    )  # fmt: skip


def labelled(
    pictures: Path, masks: Path, ids: Mapping[int, int], n_classes: int
) -> Iterator[tuple[str, Image, Labels]]:
    """Name, picture and mask of every pair, by name."""
    for folder in (pictures, masks):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    by_stem = {path.stem: path for path in sorted(masks.iterdir()) if path.suffix.lower() in SUFFIXES}
    found = [path for path in sorted(pictures.iterdir()) if path.suffix.lower() in SUFFIXES and path.stem in by_stem]
    if not found:
        raise InputError(f"{pictures}: no picture has a mask of its name in {masks}")
    table = np.arange(256, dtype=np.uint8)
    for old, new in ids.items():
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
