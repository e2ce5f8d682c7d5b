"""Which object of one result is which of the next."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from streamseg.segmentation import Instances

_SAME = 0.3  # IoU of two boxes, one carried to the other's frame, from which they are one object's


class Identities:
    """Numbers the objects of one stream; a number is given once and stays with its object."""

    def __init__(self) -> None:
        self._next = 0

    def follow(self, found: Instances, before: Instances | None) -> Instances:
        """`found` with track ids: those of `before`, carried to the same frame, where one of its class is there too.

        Pairs are made from the largest overlap down; an object that is left over gets a new number. Objects that a
        model has numbered itself keep those numbers.
        """
        if (found.track_ids >= 0).all():
            return found
        ids = np.full(len(found), -1, np.int32)
        if before is not None and len(before) and len(found):
            alike = _iou(found.boxes, before.boxes)
            alike[found.class_ids[:, None] != before.class_ids] = 0
            for _ in range(min(alike.shape)):
                mine, theirs = divmod(int(alike.argmax()), alike.shape[1])
                if alike[mine, theirs] < _SAME:
                    break
                ids[mine] = before.track_ids[theirs]
                alike[mine], alike[:, theirs] = 0, 0
        fresh = ids < 0
        ids[fresh] = self._next + np.arange(int(fresh.sum()))
        self._next += int(fresh.sum())
        return dataclasses.replace(found, track_ids=ids)


def _iou(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, M) of (N, 4) and (M, 4): left, top, right, bottom."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas, other_areas = (np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (boxes, others))
    return np.asarray(shared / np.maximum(areas[:, None] + other_areas - shared, 1e-6), np.float32)
