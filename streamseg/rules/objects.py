"""The objects of a frame: those that the model tells apart, or connected parts of a class where it does not."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import Size
from streamseg.rules.zonepixels import ZonePixels
from streamseg.segmentation import Instances, Segmentation

_LEAST = 0.0002  # of the picture; smaller parts are noise at the border of a mask
_HOLE, _AROUND = 2, 3  # what OpenCV tells of a contour: the first in it, and the one around it; below 0: none
_MOST = 500  # objects of a frame that are followed, the largest or surest ones


class _Part(NamedTuple):
    """The pixels of one object."""

    class_id: int
    left: int
    top: int
    mask: NDArray[np.uint8]
    """(h, w) u8, 1 on the object, else 0; from (left, top) of the labels on."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """N objects, in pixels of the frame."""

    found: Instances
    middles: NDArray[np.float64]
    """(N, 2): x and y of the centre of each mask."""
    feet: NDArray[np.float64]
    """(N, 2): where each mask ends below, under its centre."""
    sizes: NDArray[np.float64]
    """(N,): pixels of the labels."""
    parts: tuple[_Part, ...]

    def inside(self, zone: ZonePixels) -> NDArray[np.float64]:
        """(N,) 0..1: how much of each object lies in a zone, or how much of the zone it covers if that is more."""
        counts = np.array([_shared(part, zone) for part in self.parts], np.float64)
        return np.asarray(counts / np.maximum(1, np.minimum(self.sizes, zone.pixels)), np.float64)


def find_objects(segmentation: Segmentation, class_ids: Collection[int], frame: Size) -> Objects:
    """The objects of these classes in a frame of (height, width); of all classes where the model tells them apart."""
    size = segmentation.labels.shape[0], segmentation.labels.shape[1]
    rows, columns = size[0] / frame[0], size[1] / frame[1]
    if segmentation.instances is not None:
        found, parts = _of_instances(segmentation.instances, size, frame)
    else:
        parts = [part for class_id in sorted(class_ids) for part in _parts(segmentation.labels, class_id)]
        parts = sorted(parts, key=lambda part: -part.mask.size)[:_MOST]
        found = _bare(parts, rows, columns)
    places = np.array([_place(part) for part in parts]).reshape(-1, 4)
    middles = (places[:, :2] + 0.5) / (columns, rows)
    feet = np.stack([middles[:, 0], places[:, 2] / rows], 1)
    return Objects(found, middles, feet, places[:, 3], tuple(parts))


def _of_instances(found: Instances, size: Size, frame: Size) -> tuple[Instances, list[_Part]]:
    """Those of which anything is in the picture, and their pixels."""
    order = np.argsort(-found.scores, kind="stable")[:_MOST]
    windows = [found.window(int(index), frame, size) for index in order]
    seen = np.array([window.mask.any() for window in windows], bool)
    found = found.take(order[seen])
    drawn = zip(found.class_ids.tolist(), itertools.compress(windows, seen), strict=True)
    return found, [_Part(each, at.left, at.top, np.ascontiguousarray(at.mask).view(np.uint8)) for each, at in drawn]


def _bare(parts: Sequence[_Part], rows: float, columns: float) -> Instances:
    """Class and box of each."""
    count = len(parts)
    corners = [(part.left, part.top, part.left + part.mask.shape[1], part.top + part.mask.shape[0]) for part in parts]
    boxes = np.asarray(np.array(corners).reshape(-1, 4) / (columns, rows, columns, rows), np.float32)
    return Instances(
        np.array([part.class_id for part in parts], np.int32), np.ones(count, np.float32), boxes,
        np.zeros((count, 0, 0), np.float32), np.full(count, -1, np.int32),
    )  # fmt: skip


def _parts(labels: NDArray[np.uint8], class_id: int) -> Iterator[_Part]:
    least = max(1.0, _LEAST * labels.size)
    only = (labels == class_id).view(np.uint8)
    contours, tree = cv2.findContours(only, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    levels = tree.reshape(-1, 4).tolist() if contours else []
    begins = np.array([contour[0, 0] for contour, level in zip(contours, levels, strict=True) if level[_AROUND] < 0])
    for contour, level in zip(contours, levels, strict=True):
        left, top, width, height = box = cv2.boundingRect(contour)
        if level[_AROUND] >= 0 or width * height < least:  # the border of a hole, or noise
            continue
        mask = np.zeros((height, width), np.uint8)
        cv2.drawContours(mask, [contour], -1, 1, cv2.FILLED, offset=(-left, -top))
        mask &= only[top : top + height, left : left + width]
        if level[_HOLE] >= 0 and _inside(begins, box) > 1:  # another part may lie in a hole of this one
            numbers = cv2.connectedComponents(mask)[1]
            x, y = contour[0, 0].tolist()
            mask = (numbers == numbers[y - top, x - left]).view(np.uint8)
        if cv2.countNonZero(mask) >= least:
            yield _Part(class_id, left, top, mask)


def _inside(points: NDArray[np.int32], box: Sequence[int]) -> int:
    """How many of `points`, (N, 2), lie in `box`: left, top, width, height."""
    return int(((points >= box[:2]) & (points < np.add(box[:2], box[2:]))).all(1).sum())


def _place(part: _Part) -> tuple[float, float, float, float]:
    """X and y of the centre, y of the lower end, and number of pixels."""
    found = cv2.moments(part.mask)  # of 0 and 1 the same as of a binary image, in a third of the time
    x, y = found["m10"] / found["m00"], found["m01"] / found["m00"]
    return part.left + x, part.top + y, float(part.top + part.mask.shape[0]), found["m00"]


def _shared(part: _Part, zone: ZonePixels) -> int:
    """Pixels of `part` inside."""
    height, width = part.mask.shape
    top, bottom = max(part.top, zone.top), min(part.top + height, zone.bottom)
    left, right = max(part.left, zone.left), min(part.left + width, zone.right)
    if top >= bottom or left >= right:
        return 0
    mask = part.mask[top - part.top : bottom - part.top, left - part.left : right - part.left]
    if zone.inside is None:
        return cv2.countNonZero(mask)
    inside = zone.inside[top - zone.top : bottom - zone.top, left - zone.left : right - zone.left]
    return cv2.countNonZero(cv2.bitwise_and(mask, inside))
