"""What lies where in a frame: the mask of each object, or of each class, as exact as the frame's own pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.coco import CocoAnnotation, MaskFormat, Rle, encode_all, polygons
from streamseg.masks import BoxRuns, Size, Window, sampled
from streamseg.segmentation import Instances, Segmentation


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """An object, or all pixels of a class, without its mask."""

    class_id: int
    score: float
    """0..1; of a class how sure its pixels are on average, 1 where the method cannot tell."""
    track_id: int
    """-1 where it is not tracked."""
    box: NDArray[np.float32]
    """(4,) f32: left, top, right, bottom in pixels of the frame."""
    area: int
    """Pixels of the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Region(Measured):
    """The same with its mask."""

    window: Window
    """Where it is, in pixels of the frame."""

    def plane(self, frame: Size) -> NDArray[np.bool_]:
        """(H, W) bool: the same over a frame of this (height, width)."""
        plane = np.zeros(frame, bool)
        self.window.of(plane)[...] = self.window.mask
        return plane

    def outlines(self) -> list[list[float]]:
        """Around each part, as x, y, x, y, … in pixels of the frame; holes are filled."""
        return polygons(self.window.mask, self.window.left, self.window.top)


def regions(segmentation: Segmentation, frame: Size) -> list[Region]:
    """The objects in a frame of (height, width), or where a model finds none but classes, those in the picture."""
    if segmentation.instances is not None:
        return object_regions(segmentation.instances, frame)
    return list(class_regions(segmentation, frame))


def object_regions(found: Instances, frame: Size) -> list[Region]:
    """Of each object, in their order; one of which no pixel is in the frame has an empty mask."""
    made = []
    for i, (class_id, score, track_id, box) in enumerate(_columns(found)):
        window = found.window(i, frame, frame)
        made.append(Region(class_id, score, track_id, box, int(np.count_nonzero(window.mask)), window))
    return made


def measured(found: Instances, runs: BoxRuns) -> list[Measured]:
    """The same without masks, of which `runs` are known."""
    return [Measured(*each, area) for each, area in zip(_columns(found), runs.areas.tolist(), strict=True)]


def _columns(found: Instances) -> Iterator[tuple[int, float, int, NDArray[np.float32]]]:
    """Class, score, track and box of each object."""
    return zip(found.class_ids.tolist(), found.scores.tolist(), found.track_ids.tolist(), found.boxes, strict=True)


def class_regions(segmentation: Segmentation, frame: Size) -> Iterator[Region]:
    """Of each class that is in the picture, by its id; the background is left out."""
    labels, confidence, classes = segmentation.labels, segmentation.confidence, segmentation.classes
    large = sampled(labels, frame)
    for class_id in np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256)).tolist():
        if class_id == classes.background or class_id >= len(classes):
            continue
        mask = large == class_id
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        if not width:  # in a plane larger than the frame
            continue
        score = 1.0 if confidence is None else float(confidence[labels == class_id].mean()) / 255
        window = Window(top, left, np.ascontiguousarray(mask[top : top + height, left : left + width]))
        box = np.array([left, top, left + width, top + height], np.float32)
        yield Region(class_id, score, -1, box, int(np.count_nonzero(window.mask)), window)


def things(segmentation: Segmentation, frame: Size) -> list[Region]:
    """The objects in a frame of (height, width), or where a model finds none but classes, their connected parts.

    Pixels that touch by a side or a corner are one part.
    """
    if segmentation.instances is not None:
        return object_regions(segmentation.instances, frame)
    return [part for region in class_regions(segmentation, frame) for part in _parts(region)]


def _parts(region: Region) -> Iterator[Region]:
    around = region.window
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(around.mask.view(np.uint8), connectivity=8)
    for number in range(1, count):
        left, top, width, height, area = (int(value) for value in stats[number])
        mask = numbers[top : top + height, left : left + width] == number
        left, top = left + around.left, top + around.top
        box = np.array([left, top, left + width, top + height], np.float32)
        yield Region(region.class_id, region.score, -1, box, area, Window(top, left, mask))


def coco_annotations(
    found: Sequence[Region], frame: Size, image_id: int, masks: MaskFormat = "rle"
) -> list[CocoAnnotation]:
    """COCO's annotations of one image; `category_id` is the class id as it stands."""
    if masks == "polygon":
        return [_annotation(region, image_id, region.outlines()) for region in found]
    rles = encode_all([region.window for region in found], frame)
    return [_annotation(region, image_id, rle) for region, rle in zip(found, rles, strict=True)]


def _annotation(region: Region, image_id: int, segmentation: Rle | list[list[float]]) -> CocoAnnotation:
    left, top, right, bottom = (round(float(side), 2) for side in region.box)
    return {
        "image_id": image_id,
        "category_id": region.class_id,
        "bbox": [left, top, round(right - left, 2), round(bottom - top, 2)],
        "area": float(region.area),
        "segmentation": segmentation,
        "score": round(region.score, 5),
        "iscrowd": 0,
    }
