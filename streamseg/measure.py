"""Numbers of what was found in a frame: of each class its share, its largest part and how sure it is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image
from streamseg.masks import Size, Window
from streamseg.regions import Measured
from streamseg.segmentation import Classes, Segmentation


@dataclass(frozen=True, slots=True)
class ClassMeasure:
    """A class that is in the picture; shares are of the picture, 0..1."""

    class_id: int
    area: float
    largest: float
    """Of its largest object, or where the model finds no objects its largest connected part, by sides and corners."""
    confidence: float | None
    """0..1: mean score of the objects, or mean over the pixels; None where the method cannot tell."""
    objects: int | None
    """How many there are; None where the model finds no objects."""


class Shape(NamedTuple):
    """Where a region is and how long and wide, in pixels; None of one that is empty."""

    x: float
    """Of its centre of mass: the centre of the first pixel is 0.5."""
    y: float
    major: float
    """Full axes of the ellipse with the same second moments, as scikit-image has it."""
    minor: float
    degrees: float
    """Of the major axis, from -90 to 90, above 0 where it rises to the right."""


def object_counts(found: Segmentation) -> Counter[int] | None:
    """How many objects there are of each class, by its id; None where the model finds no objects."""
    return None if found.instances is None else Counter(found.instances.class_ids.tolist())


class Totals:
    """Of frames by a model with the same classes, what was seen of each class in all."""

    def __init__(self, classes: Classes) -> None:
        self.sum, self.most = np.zeros(len(classes)), np.zeros(len(classes))
        """(C,) f64: of the shares of all frames, 0..1 each, the sum and the largest."""
        self.objects: Counter[int] | None = None
        """The most at once, by class id; None where the model finds no objects."""

    def add(self, found: Segmentation, areas: NDArray[np.float64]) -> None:
        """Counts a frame in, of which `areas` are the shares."""
        self.sum += areas
        np.maximum(self.most, areas, out=self.most)
        if (counts := object_counts(found)) is not None:
            self.objects = counts if self.objects is None else self.objects | counts


def measure_shape(window: Window) -> Shape | None:
    """Of a mask in a frame."""
    found = cv2.moments(window.mask.view(np.uint8))  # of 0 and 1
    area = found["m00"]
    if not area:
        return None
    xx, yy, xy = found["mu20"] / area, found["mu02"] / area, found["mu11"] / area
    spread, mean = math.hypot((xx - yy) / 2, xy), (xx + yy) / 2
    return Shape(
        window.left + found["m10"] / area + 0.5,
        window.top + found["m01"] / area + 0.5,
        4 * math.sqrt(mean + spread),
        4 * math.sqrt(max(0.0, mean - spread)),
        math.degrees(math.atan2(-2 * xy, xx - yy)) / 2,
    )


def mean_intensity(window: Window, image: Image) -> float | None:
    """Grey of `image`, (H, W, 3) u8 BGR, under a mask, 0..255; None where that is empty."""
    if not window.mask.any():
        return None
    grey = cv2.cvtColor(np.ascontiguousarray(window.of(image)), cv2.COLOR_BGR2GRAY)
    return float(cv2.mean(grey, window.mask.view(np.uint8))[0])


def measure_classes(
    segmentation: Segmentation, areas: NDArray[np.float64], objects: Sequence[Measured], frame: Size
) -> list[ClassMeasure]:
    """Of each class in a frame of (height, width), by its id; the background is left out.

    Args:
        segmentation: what was found.
        areas: (C,) f64, its `areas()`.
        objects: those of the frame, where the model finds such.
        frame: pixels.
    """
    if segmentation.instances is not None:
        return _of_objects(areas, objects, frame)
    labels, confidence = segmentation.labels, segmentation.confidence
    found = []
    for class_id, area in enumerate(areas.tolist()):
        if not area or class_id == segmentation.classes.background:
            continue
        mask = (labels == class_id).view(np.uint8)
        sure = None if confidence is None else cv2.mean(confidence, mask)[0] / 255
        found.append(ClassMeasure(class_id, area, _largest(mask) / labels.size, sure, None))
    return found


def _of_objects(areas: NDArray[np.float64], objects: Sequence[Measured], frame: Size) -> list[ClassMeasure]:
    pixels = frame[0] * frame[1]
    found = []
    for class_id in sorted({region.class_id for region in objects}):
        own = [region for region in objects if region.class_id == class_id]
        largest = max(region.area for region in own) / pixels
        sure = sum(region.score for region in own) / len(own)
        found.append(ClassMeasure(class_id, float(areas[class_id]), largest, sure, len(own)))
    return found


def _largest(mask: NDArray[np.uint8]) -> int:
    """Pixels of the largest connected part of `mask`, (h, w) u8, which is somewhere above 0."""
    left, top, width, height = cv2.boundingRect(mask)
    part = mask[top : top + height, left : left + width]
    _, _, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
    return int(stats[1:, cv2.CC_STAT_AREA].max())
