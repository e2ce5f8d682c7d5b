"""Objects that were found in overlapping tiles, as objects of the whole frame: none twice, none in two halves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import PlaneMask
from streamseg.segmentation import Instances

Corners = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels of the frame."""
_SAME = 0.5
"""Of what two tiles both see: objects that overlap more there, by intersection over union, are one."""
_SIDE = 56
"""Of the mask of an object that is put together from planes."""
_EDGE_PX = 3
"""An object that comes so near to the edge of a tile may continue beyond it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What one tile shows of an object."""

    class_id: int
    score: float
    box: NDArray[np.float32]
    mask: NDArray[np.float32] | PlaneMask
    corners: Corners
    """Of the tile."""
    cut: bool

    def within(self, corners: Corners) -> NDArray[np.bool_]:
        """(h, w): where it is inside `corners`."""
        left, top, right, bottom = corners
        plane = np.zeros((bottom - top, right - left), bool)
        moved = self.box - np.array([left, top, left, top], np.float32)
        window = _instances([self], moved[None]).window(0, plane.shape, plane.shape)
        window.of(plane)[...] = window.mask
        return plane


def join(found: Sequence[Instances], tiles: Sequence[Corners], frame: tuple[int, int]) -> Instances:
    """The objects of a (height, width) `frame`, best first, from those of each tile, whose boxes lie in the tile."""
    parts = [part for each, corners in zip(found, tiles, strict=True) for part in _parts(each, corners, frame)]
    joined = [_one(group) for group in _groups(parts)]
    joined.sort(key=lambda part: -part.score)
    return _instances(joined, np.array([part.box for part in joined], np.float32).reshape(-1, 4))


def _instances(parts: Sequence[_Part], boxes: NDArray[np.float32]) -> Instances:
    return Instances(
        np.array([part.class_id for part in parts], np.int32),
        np.array([part.score for part in parts], np.float32),
        boxes,
        _masks(parts),
        np.full(len(parts), -1, np.int32),
    )


def _masks(parts: Sequence[_Part]) -> NDArray[np.float32] | tuple[PlaneMask, ...]:
    boxed = [part.mask for part in parts if not isinstance(part.mask, PlaneMask)]
    if boxed and len(boxed) == len(parts):
        return np.array(boxed, np.float32)
    return tuple(
        part.mask if isinstance(part.mask, PlaneMask) else PlaneMask(part.box, part.box, part.mask, threshold=0.5)
        for part in parts
    )


def _parts(found: Instances, corners: Corners, frame: tuple[int, int]) -> list[_Part]:
    left, top, right, bottom = corners
    inner = np.array([left > 0, top > 0, right < frame[1], bottom < frame[0]])
    parts = []
    for index, box in enumerate(found.boxes):
        moved = box + np.array([left, top, left, top], np.float32)
        near = np.abs(moved - corners) < _EDGE_PX
        cut = bool((near & inner).any())
        parts.append(
            _Part(int(found.class_ids[index]), float(found.scores[index]), moved, found.masks[index], corners, cut)
        )
    return parts


def _groups(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Parts of one object each."""
    leader = list(range(len(parts)))

    def find(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    for one, other in _pairs(parts):
        if find(one) != find(other) and _alike(parts[one], parts[other]):
            leader[find(other)] = find(one)
    groups: dict[int, list[_Part]] = {}
    for index, part in enumerate(parts):
        groups.setdefault(find(index), []).append(part)
    return list(groups.values())


def _pairs(parts: Sequence[_Part]) -> Iterator[tuple[int, int]]:
    """Indices of parts of one class from two tiles whose boxes touch."""
    if not parts:
        return
    boxes, ids = np.array([part.box for part in parts]), np.array([part.class_id for part in parts])
    tiles = np.array([part.corners for part in parts])
    for one in range(len(parts) - 1):
        rest = slice(one + 1, None)
        touch = (boxes[rest, :2] < boxes[one, 2:]).all(1) & (boxes[rest, 2:] > boxes[one, :2]).all(1)
        wanted = touch & (ids[rest] == ids[one]) & (tiles[rest] != tiles[one]).any(1)
        for other in np.flatnonzero(wanted):
            yield one, one + 1 + int(other)


def _alike(one: _Part, other: _Part) -> bool:
    """Whether both are the same where both tiles look."""
    tiles = np.array([one.corners, other.corners], np.float32)
    low = np.maximum(tiles[:, :2].max(0), np.minimum(one.box[:2], other.box[:2]))
    high = np.minimum(tiles[:, 2:].min(0), np.maximum(one.box[2:], other.box[2:]))
    if not (high > low).all():
        return False
    shared = (*np.floor(low).astype(int).tolist(), *np.ceil(high).astype(int).tolist())
    mine, theirs = one.within(shared), other.within(shared)
    either = (mine | theirs).sum()
    return bool(either and (mine & theirs).sum() / either > _SAME)


def _one(group: Sequence[_Part]) -> _Part:
    """The surest that is whole; where all are cut, what they show together."""
    uncut = [part for part in group if not part.cut]
    best = max(uncut or group, key=lambda part: part.score)
    if uncut or len(group) == 1:
        return best
    boxes = np.array([part.box for part in group])
    low, high = np.floor(boxes[:, :2].min(0)), np.ceil(boxes[:, 2:].max(0))
    left, top, right, bottom = corners = (*low.astype(int).tolist(), *high.astype(int).tolist())
    whole = np.logical_or.reduce([part.within(corners) for part in group])
    size = (_SIDE, _SIDE) if isinstance(best.mask, PlaneMask) else best.mask.shape[::-1]
    mask = np.asarray(cv2.resize(whole.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)
    return _Part(best.class_id, best.score, np.array([left, top, right, bottom], np.float32), mask, corners, cut=False)
