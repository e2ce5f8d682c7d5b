"""Objects carried along: each box moves and grows as the motion inside its mask says."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from streamseg.motion.flow import Flow, grid
from streamseg.segmentation import Instances

_LEAST = 3  # places on an object that must be seen again before its motion is believed
_GROWTH = 0.5, 2.0


def carry_instances(instances: Instances, way: Flow, then: tuple[int, int], now: tuple[int, int]) -> Instances:
    """`instances` of a frame of size `then` (height, width) where they are in one of size `now`.

    `way` leads from now to then. Masks keep their shape inside their box; scores and track ids stay.
    """
    here = grid(way.shape) + 0.5
    pairs = np.concatenate([here, here + way], 2).reshape(-1, 4)
    to_way = np.array([way.shape[1] / then[1], way.shape[0] / then[0]] * 2, np.float32)
    to_frame = np.array([now[1] / way.shape[1], now[0] / way.shape[0]] * 2, np.float32)
    boxes = np.empty_like(instances.boxes)
    for i, box in enumerate(instances.boxes * to_way):
        boxes[i] = _moved(box, _on_object(pairs, box, instances.over_box(i))) * to_frame
    return dataclasses.replace(instances, boxes=boxes)


def no_instances(instances: Instances) -> Instances:
    """None of them."""
    return instances.take(np.arange(0))


def _on_object(pairs: NDArray[np.float32], box: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Those of `pairs`, (N, 4): x and y here, x and y there, that lie on the object there."""
    x, y = pairs[:, 2], pairs[:, 3]
    inside = pairs[(x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])]
    height, width = mask.shape
    column = (inside[:, 2] - box[0]) / (box[2] - box[0]) * width
    row = (inside[:, 3] - box[1]) / (box[3] - box[1]) * height
    on_it = mask[row.astype(int).clip(0, height - 1), column.astype(int).clip(0, width - 1)] > 0.5
    return np.asarray(inside[on_it], np.float32)


def _moved(box: NDArray[np.float32], pairs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The box after the growth and the shift that fit most of its object's pairs."""
    if len(pairs) < _LEAST:
        return box
    here, there = pairs[:, :2], pairs[:, 2:]
    around = there - there.mean(0)
    growth = np.clip(((here - here.mean(0)) * around).sum() / max(float((around**2).sum()), 1e-6), *_GROWTH)
    shift = np.median(here - growth * there, 0)
    return np.asarray(growth * box + np.tile(shift, 2), np.float32)
