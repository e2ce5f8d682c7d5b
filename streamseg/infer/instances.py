"""Objects out of a network's boxes and box masks, and labels painted from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.infer.families import Objects
from streamseg.infer.model.geometry import Fit
from streamseg.masks import PlaneMask, box_overlaps, number_mask, plane_mask
from streamseg.segmentation import Instances, Segmentation, draw_masks

_SAME = 0.5  # IoU of two boxes from which they are taken for one object's, as in Pascal VOC and COCO's AP50


def read_instances(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    class_ids: NDArray[Any],
    masks: NDArray[Any],
    fit: Fit,
    least: float,
    n_classes: int,
    background: int = -1,
) -> Instances:
    """The objects of one picture that score `least` (0..1) or more, best first, in pixels of the frame.

    Takes what the network gives: (K, 4) boxes in pixels of its input, (K,) scores, (K,) ids and (K, m, m) masks.
    What is no box, and ids that are none of the classes or the background's, are left out.
    """
    known = (class_ids >= 0) & (class_ids < n_classes) & (class_ids != background)
    sound = (scores >= least) & known & np.isfinite(boxes).all(1)
    kept = np.flatnonzero(sound)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    moved = _in_frame(boxes[kept], fit)
    height, width = fit.frame
    reaches = np.minimum(moved[:, 2:], (width, height)) - np.maximum(moved[:, :2], 0)
    inside = (reaches > 0).all(1)
    kept, moved = kept[inside], moved[inside]
    return Instances(
        class_ids[kept].astype(np.int32),
        scores[kept].astype(np.float32),
        moved.astype(np.float32),
        masks[kept].astype(np.float32),
        np.full(len(kept), -1, np.int32),
    )


def place(objects: Objects, fit: Fit, n_classes: int, background: int) -> Instances:
    """`objects` of one picture in pixels of the frame, their boxes clipped to it.

    Those outside it are left out, and those of classes that have no name or are the background.
    """
    height, width = fit.frame
    boxes = _in_frame(objects.boxes, fit).clip(0, (width, height, width, height))
    ids = objects.class_ids
    sound = (
        (ids >= 0) & (ids < n_classes) & (ids != background) & (boxes[:, 2:] > boxes[:, :2]).all(1)
    )  # no comparison holds for NaN
    kept = np.flatnonzero(sound)
    boxes = boxes[kept].astype(np.float32)
    area = _in_frame(np.array([[0, 0, fit.size[1], fit.size[0]]], np.float32), fit)[0]
    return Instances(
        ids[kept],
        objects.scores[kept],
        boxes,
        _masks(objects, kept, boxes, area, fit.size),
        np.full(len(kept), -1, np.int32),
    )


def _masks(
    objects: Objects,
    kept: NDArray[np.intp],
    boxes: NDArray[np.float32],
    area: NDArray[np.float32],
    size: tuple[int, int],
) -> NDArray[np.float32] | tuple[PlaneMask, ...]:
    planes, weights = objects.planes, objects.coefficients
    if objects.numbers is not None:
        places = np.rint(objects.boxes[kept] * _per_pixel(objects.numbers, size)).astype(int).tolist()
        return tuple(
            number_mask(box, area, objects.numbers, int(i) + 1, place)
            for i, box, place in zip(kept, boxes, places, strict=True)
        )
    if planes is None:
        return np.ones((len(kept), 1, 1), np.float32)
    threshold, cropped = objects.threshold, objects.cropped
    pairs = zip(kept, boxes, strict=True)
    if weights is None:
        return tuple(plane_mask(box, area, planes[i], threshold, cropped=cropped) for i, box in pairs)
    return tuple(PlaneMask(box, area, planes, weights[i], threshold, cropped) for i, box in pairs)


def _per_pixel(numbers: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.float64]:
    """(4,): pixels of `numbers` in one pixel of an input of (height, width) `size`, across and down, twice."""
    return np.array([numbers.shape[1] / size[1], numbers.shape[0] / size[0]] * 2)


def _in_frame(boxes: NDArray[Any], fit: Fit) -> NDArray[Any]:
    """(K, 4) in pixels of the input as pixels of the frame."""
    source, target = fit.source, fit.target
    scale = np.array([source.width / target.width, source.height / target.height] * 2, np.float32)
    moved = (boxes - np.array([target.x, target.y] * 2, np.float32)) * scale
    return np.asarray(moved + np.array([source.x, source.y] * 2, np.float32))


def paint(instances: Instances, frame: tuple[int, int], size: tuple[int, int], background: int) -> NDArray[np.uint8]:
    """Class ids (h, w) u8 of `size` over a frame of (height, width) `frame`; the surest object lies on top."""
    labels = np.full(size, background, np.uint8)
    draw_masks(labels, instances, frame, instances.class_ids)
    return labels


def alike(pairs: Iterable[tuple[Segmentation, Segmentation]]) -> tuple[float, float | None]:
    """Of what two networks found in the same pictures: the share of the pixels, 0..1, to which both give one label; and
    of the objects that either of them finds that of those that both do, None where there are none."""
    same, both, either = list[float](), 0, 0
    for one, other in pairs:
        same.append(float(np.mean(one.labels == other.labels)))
        if one.instances is not None and other.instances is not None:
            shared = as_many_alike(one.instances, other.instances)
            both, either = both + shared, either + len(one.instances) + len(other.instances) - shared
    return float(np.mean(same)), both / either if either else None


def as_many_alike(found: Instances, expected: Instances) -> int:
    """How many of those that were expected were found: of the same class, boxes over each other by half, each once."""
    overlaps = box_overlaps(found.boxes, expected.boxes)
    overlaps[found.class_ids[:, None] != expected.class_ids] = 0
    count = 0
    for _ in range(min(overlaps.shape)):
        mine, theirs = divmod(int(overlaps.argmax()), overlaps.shape[1])
        if overlaps[mine, theirs] < _SAME:
            break
        overlaps[mine], overlaps[:, theirs] = 0, 0
        count += 1
    return count
