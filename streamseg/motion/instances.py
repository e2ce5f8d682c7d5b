"""Objects carried along: each box moves and grows as the motion inside its mask says, and the mask bends in it."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import PlaneMask
from streamseg.motion.flow import Flow, grid, sample
from streamseg.segmentation import Instances

_LEAST = 3  # places on an object that must be seen again before its motion is believed
_GROWTH = 0.5, 2.0
_SMALL = 2.0  # pixels of the motion: in a box of fewer there is one motion alone
_AROUND = (3, 3)  # values of a mask over which its motion is averaged
_OUTSIDE = 1e-3  # what the motion beside an object counts


def carry_instances(
    instances: Instances, way: Flow, then: tuple[int, int], now: tuple[int, int], *, bent: bool = False
) -> Instances:
    """`instances` of a frame of size `then` (height, width) where they are in one of size `now`.

    `way` leads from now to then. Masks keep their shape inside their box, or are `bent` as the motion in it says,
    but for those that reach beyond their box; scores and track ids stay.
    """
    here = grid(way.shape) + 0.5
    pairs = np.concatenate([here, here + way], 2).reshape(-1, 4)
    to_way = np.array([way.shape[1] / then[1], way.shape[0] / then[0]] * 2, np.float32)
    to_frame = np.array([now[1] / way.shape[1], now[0] / way.shape[0]] * 2, np.float32)
    before = instances.boxes * to_way
    after = np.empty_like(before)
    for i, box in enumerate(before):
        after[i] = _moved(box, _on_object(pairs, box, instances.over_box(i)))
    boxes, masks = after * to_frame, instances.masks
    if bent and isinstance(masks, np.ndarray):
        masks = np.array([_bent(*each, way) for each in zip(masks, before, after, strict=True)]).reshape(masks.shape)
    elif bent:
        masks = tuple(
            PlaneMask(boxes[i], boxes[i], _bent(mask.fine, before[i], after[i], way), threshold=0.5)
            if mask.cropped
            else mask
            for i, mask in enumerate(masks)
        )
    return dataclasses.replace(instances, boxes=boxes, masks=masks)


def no_instances(instances: Instances) -> Instances:
    """None of them."""
    return instances.take(np.arange(0))


def joined(instances: Instances, others: Instances) -> Instances:
    """All of both; without the others where their masks are of another kind, as those of another model are."""
    masks: NDArray[np.float32] | tuple[PlaneMask, ...]
    mine, theirs = instances.masks, others.masks
    if not isinstance(mine, np.ndarray) and not isinstance(theirs, np.ndarray):
        masks = (*mine, *theirs)
    elif isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray) and mine.shape[1:] == theirs.shape[1:]:
        masks = np.concatenate([mine, theirs])
    elif not len(instances):
        return others
    else:
        return instances
    arrays = ("class_ids", "scores", "boxes", "track_ids")
    parts = {name: np.concatenate([getattr(instances, name), getattr(others, name)]) for name in arrays}
    return Instances(**parts, masks=masks)


def _on_object(pairs: NDArray[np.float32], box: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Those of `pairs`, (N, 4): x and y here, x and y there, that lie on the object there."""
    x, y = pairs[:, 2], pairs[:, 3]
    inside = pairs[(x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])]
    height, width = mask.shape
    column = (inside[:, 2] - box[0]) / (box[2] - box[0]) * width
    row = (inside[:, 3] - box[1]) / (box[3] - box[1]) * height
    on_it = mask[row.astype(int).clip(0, height - 1), column.astype(int).clip(0, width - 1)] > 0.5
    return np.asarray(inside[on_it], np.float32)


def _bent(
    mask: NDArray[np.float32], before: NDArray[np.float32], after: NDArray[np.float32], way: Flow
) -> NDArray[np.float32]:
    """`mask` (h, w) over the box that was `before`, in pixels of the way, as it is over the box that it is `after`."""
    height, width = mask.shape
    old, new = before[2:] - before[:2], after[2:] - after[:2]
    if min(old.min(), new.min()) < _SMALL or mask.size == 1:
        return mask
    size = np.array([width, height], np.float32)
    own = grid(mask.shape)
    here = (after[:2] + (own + 0.5) / size * new - 0.5).astype(np.float32)
    there = here + sample(way, here) + 0.5
    bends = ((there - before[:2]) / old * size - 0.5).astype(np.float32) - own
    weight = sample(mask, own + bends, outside=cv2.BORDER_CONSTANT) + np.float32(_OUTSIDE)
    bends = cv2.blur(bends * weight[..., None], _AROUND) / cv2.blur(weight, _AROUND)[..., None]
    return sample(mask, np.asarray(own + bends, np.float32), outside=cv2.BORDER_CONSTANT)


def _moved(box: NDArray[np.float32], pairs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The box after the growth and the shift that fit most of its object's pairs."""
    if len(pairs) < _LEAST:
        return box
    here, there = pairs[:, :2], pairs[:, 2:]
    around = there - there.mean(0)
    growth = np.clip(((here - here.mean(0)) * around).sum() / max(float((around**2).sum()), 1e-6), *_GROWTH)
    shift = np.median(here - growth * there, 0)
    return np.asarray(growth * box + np.tile(shift, 2), np.float32)
