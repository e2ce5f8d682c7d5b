"""Which object of one result is which of the next, though it was out of sight in between."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.masks import box_overlaps, shared_areas
from streamseg.segmentation import Instances

_SAME = 0.3  # IoU of two boxes, one carried to the other's frame, from which they are one object's
_INSIDE = 0.35  # of a box, that must lie where one that was out of sight is expected: it comes out bit by bit
_WHOLE = 0.85  # of an object's area; what is smaller is partly behind something
_SHRINKS = 0.2  # of its area a second, at most, where it goes away from the camera
_REACH = 2.5  # lengths (roots of the area) that an object may leap between its first two frames
_LIKE = 0.5  # of the larger area: so large is the smaller of two boxes that may be one object's after a leap
_PLAIN = 0.6  # of the distance to the next candidate: what is nearer than that is meant
_REMEMBERED_S = 1.5
_BEYOND = 1 << 30  # all numbers that a model gives, where it gives some of its objects none
_STEADY = 0.5  # weight of a new velocity among those before


@dataclass(slots=True)
class _Track:
    """What is known of an object."""

    seen_s: float
    box: NDArray[np.float32]
    """(4,) f32: where it was then, in pixels of the frame."""
    whole: NDArray[np.float32]
    """(4,) f32: the same with what is hidden of it."""
    whole_s: float
    """When all of it was last seen."""
    area: float
    """Of the box that held all of it, px, less what it may have shrunk since."""
    velocity: NDArray[np.float32]
    """(2,) f32: px a second, by its motion; not by its boxes, which shrink where it goes behind something."""
    again: bool = False
    """Whether it was seen more than once, so that its velocity is known."""

    def expected(self, time_s: float) -> NDArray[np.float32]:
        """(4,) f32: all of it, if it has kept moving as it did."""
        return np.asarray(self.whole + np.tile(self.velocity * (time_s - self.seen_s), 2), np.float32)


class Identities:
    """Numbers the objects of one stream; a number is given once and stays with its object.

    An object that a network misses, or that is behind something, is remembered for a second and a half: it is looked
    for where motion has carried it, and where it would be had it kept moving as before.
    """

    def __init__(self) -> None:
        self._next = 0
        self._tracks: dict[int, _Track] = {}

    def follow(
        self, found: Instances, before: Instances | None, time_s: float = 0.0, *, leaps: bool = False
    ) -> tuple[Instances, NDArray[np.intp]]:
        """`found` with track ids: those of `before`, carried to the same frame, where one of its class is there too.

        Pairs are made from the largest overlap down, first with those that were there last. Where there may be
        `leaps`, what overlaps nothing that it could be has leapt there from where it was seen for the first time. An
        object that is left over gets a new number. Objects that a model has numbered itself keep those numbers. Gives
        as well which of `before` are out of sight, and worth being carried on.
        """
        given = found.track_ids >= 0
        if given.all() and len(found):
            return found, np.arange(0)
        if given.any():
            self._next = max(self._next, _BEYOND)
        if before is None:
            self._tracks = {}
            before = found.take(np.arange(0))
        known = [self._tracks.get(number) for number in before.track_ids.tolist()]
        latest = max((track.seen_s for track in known if track), default=time_s)
        lost = np.array([track is not None and track.seen_s < latest for track in known], bool)
        ids = found.track_ids.astype(np.int32)
        boxes = before.boxes
        expected = np.array([track.expected(time_s) if track else box for track, box in zip(known, boxes, strict=True)])
        expected = expected.reshape(-1, 4)
        same_class = found.class_ids[:, None] == before.class_ids
        carried, gone_on = (box_overlaps(found.boxes, each) * same_class for each in (boxes, expected))
        inside = _shares_inside(found.boxes, expected) * same_class
        _pair(ids, np.where(lost, 0, carried), before.track_ids, _SAME)
        _pair(ids, np.maximum(carried, gone_on), before.track_ids, _SAME)
        _pair(ids, inside, before.track_ids, _INSIDE)
        leapt: set[int] = set()
        if leaps and (left := ids < 0).any():
            new = np.array([track is not None and not track.again for track in known], bool) & ~lost
            _pair(ids, _leaps(found.boxes, before.boxes, same_class & left[:, None] & new), before.track_ids, 1.0)
            leapt = set(ids[left & (ids >= 0)].tolist())
        fresh = ids < 0
        ids[fresh] = self._next + np.arange(int(fresh.sum()))
        self._next += int(fresh.sum())
        self._remember(found.boxes, ids, before, time_s, leapt)
        missing = ~np.isin(before.track_ids, ids) & np.isin(before.track_ids, list(self._tracks))
        return dataclasses.replace(found, track_ids=ids), np.flatnonzero(missing)

    def _remember(
        self, boxes: NDArray[np.float32], ids: NDArray[np.int32], before: Instances, time_s: float, leapt: set[int]
    ) -> None:
        carried = dict(zip(before.track_ids.tolist(), before.boxes, strict=True))
        for number, box in zip(ids.tolist(), boxes, strict=True):
            track = self._tracks.get(number)
            if track is None or number not in carried:
                self._tracks[number] = _Track(time_s, box, box, time_s, _area(box), np.zeros(2, np.float32))
                continue
            track.whole = track.expected(time_s)
            track.area *= max(0.0, 1 - _SHRINKS * (time_s - track.seen_s))
            whole = _area(box) >= _WHOLE * track.area
            if whole or time_s - track.whole_s > _REMEMBERED_S:
                # Beside what hides it motion is that of both.
                if time_s > track.seen_s:
                    there = box if number in leapt else carried[number]
                    moved = (_middle(there) - _middle(track.box)) / (time_s - track.seen_s)
                    share = _STEADY if track.velocity.any() else 1
                    track.velocity = np.asarray(track.velocity + share * (moved - track.velocity), np.float32)
                track.whole, track.whole_s = box, time_s
                track.area = max(_area(box), track.area if whole else 0)
            track.seen_s, track.box, track.again = time_s, box, True
        self._tracks = {
            number: track for number, track in self._tracks.items() if time_s - track.seen_s <= _REMEMBERED_S
        }


def _pair(ids: NDArray[np.int32], alike: NDArray[np.float32], numbers: NDArray[np.int32], least: float) -> None:
    """Gives those that have none the `numbers` that are most `alike`, each once, from the largest down."""
    alike = np.where((ids[:, None] >= 0) | np.isin(numbers, ids), 0, alike)
    for _ in range(min(alike.shape)):
        mine, theirs = divmod(int(alike.argmax()), alike.shape[1])
        if alike[mine, theirs] < least:
            return
        ids[mine] = numbers[theirs]
        alike[mine], alike[:, theirs] = 0, 0


def _leaps(boxes: NDArray[np.float32], others: NDArray[np.float32], allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N, M) f32: 1 where two boxes are of like size and plainly nearest to each other, else 0."""
    if not allowed.any():
        return np.zeros(allowed.shape, np.float32)
    areas, others_areas = (np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (boxes, others))
    larger = np.maximum(areas[:, None], others_areas)
    like = np.minimum(areas[:, None], others_areas) >= _LIKE * larger
    apart = ((boxes[:, None, :2] + boxes[:, None, 2:]) - (others[:, :2] + others[:, 2:])) / 2
    distance = np.hypot(apart[..., 0], apart[..., 1])
    distance = np.where(allowed & like & (distance <= _REACH * np.sqrt(larger)), distance, np.inf)
    plain = np.isfinite(distance)
    for axis in (0, 1):
        nearest = np.sort(distance, axis)
        second = nearest.take([1], axis) if distance.shape[axis] > 1 else np.inf
        plain &= distance == nearest.take([0], axis)
        plain &= distance <= _PLAIN * second
    return plain.astype(np.float32)


def _shares_inside(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, M) f32, 0..1: how much of each of `boxes` (N, 4) lies in each of `others` (M, 4)."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None]
    return np.asarray(shared_areas(boxes, others) / np.maximum(areas, 1e-6), np.float32)


def _area(box: NDArray[np.float32]) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _middle(box: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((box[:2] + box[2:]) / 2, np.float32)
