"""Fits the carried masks of objects to the new picture, each in a window around its box."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import PlaneMask, plane_mask
from streamseg.motion.flow import Flow, Thumbnail, grid
from streamseg.motion.refit_colours import SIZE, Colours, likely_colours
from streamseg.motion.refit_network import FAULTS, Network, inputs
from streamseg.motion.voting import Plane
from streamseg.segmentation import Instances

Area = NDArray[np.float32]
"""(4,) f32: left, top, right, bottom in pixels of the frame."""
_AROUND = 0.3  # of a box's sides, on each side of it
_NARROWEST = 0.8  # width over height of what is squeezed into the network's input
_LEAST = 12  # pixels of the small picture: smaller boxes stay as they are
_NEEDED = 30  # how far beyond one half the network must be, in 255th, to change a pixel
_HALF = 128


class _Key(NamedTuple):
    """What is known of an object in the frame that it was found in."""

    area: Area
    """The window."""
    colours: Colours
    """How likely each is the object's there."""
    faults: NDArray[np.float32]
    """(h, w) of `SIZE`: what the network says of the window too much, in 255th."""


class RefitObjects:
    """What fits the carried objects of one stream; belongs to one thread."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._known: list[tuple[Instances, dict[int, _Key]]] = []
        """Of the last two masks that others were carried from."""

    def __call__(
        self, then: Thumbnail, now: Thumbnail, key: Instances, carried: Instances, most: int, passes: int
    ) -> Instances:
        """`carried`, which are those of `key` brought from the frame `then` to `now`, the `most` largest fitted to it.

        A pixel is changed where the network is sure of it, and would not have changed it in the window of `then`; boxes
        follow. What is tiny stays as it is, and so do boxes without a mask and masks that reach beyond their box.
        """
        if not len(carried) or not self._network.there:
            return carried
        boxes, masks = carried.boxes.copy(), list(carried.masks)
        for i in np.argsort(-np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), kind="stable")[:most].tolist():
            if (own := _over_box(key, i)) is not None and (mask := _over_box(carried, i)) is not None:
                known = self._keys_of(key)
                if i not in known and (learnt := self._learnt(then, key.boxes[i], own, passes)) is not None:
                    known[i] = learnt
                if i in known:
                    boxes[i], masks[i] = self._fitted(now, known[i], key.boxes[i], carried, i, mask, passes)
        return dataclasses.replace(
            carried, boxes=boxes, masks=np.array(masks) if isinstance(carried.masks, np.ndarray) else tuple(masks)
        )

    def _keys_of(self, found: Instances) -> dict[int, _Key]:
        if all(each is not found for each, _ in self._known):
            self._known = [(found, {}), *self._known[:1]]
        return next(known for each, known in self._known if each is found)

    def _learnt(self, then: Thumbnail, box: Area, mask: NDArray[np.float32], passes: int) -> _Key | None:
        if mask.min() > 0.5 or (seen := _window(then, box)) is None:  # a box without a shape in it
            return None
        area, picture = seen
        plane = _bytes(_over(mask, box, area))
        colours = likely_colours(picture, plane)
        return _Key(area, colours, self._network(inputs(picture, plane, colours), passes).astype(np.float32) - plane)

    def _fitted(
        self,
        now: Thumbnail,
        known: _Key,
        before: Area,
        carried: Instances,
        index: int,
        mask: NDArray[np.float32],
        passes: int,
    ) -> tuple[Area, NDArray[np.float32] | PlaneMask]:
        """Box and mask of an object whose box was `before`."""
        box, stays = carried.boxes[index], (carried.boxes[index], carried.masks[index])
        if (seen := _window(now, box)) is None:
            return stays
        area, picture = seen
        plane = _bytes(_over(mask, box, area))
        was = _moved(known.area, before, box)
        found = self._network(inputs(picture, plane, known.colours, _places(was, area)), passes)
        likely = found.astype(np.float32) - FAULTS * _over(known.faults, was, area)
        more = (likely >= _HALF + _NEEDED) & (plane < _HALF)
        less = (likely < _HALF - _NEEDED) & (plane >= _HALF)
        fitted = np.asarray(np.where(more | less, np.clip(likely, 0, 255), plane) / 255, np.float32)
        x, y, wide, high = cv2.boundingRect((fitted > 0.5).view(np.uint8))
        if min(wide, high) < 2:
            return stays
        shares = np.array([x, y, x + wide, y + high], np.float32) / np.tile(SIZE[::-1], 2)
        box = np.asarray(np.tile(area[:2], 2) + shares * np.tile(area[2:] - area[:2], 2), np.float32)
        if isinstance(stays[1], PlaneMask):
            return box, plane_mask(box, area, fitted, 0.5, cropped=False)
        return box, _over(fitted, area, box, stays[1].shape)


def _over_box(objects: Instances, index: int) -> NDArray[np.float32] | None:
    """(h, w) f32, 0..1: the mask over the inside of the object's box; None where it reaches beyond that."""
    mask = objects.masks[index]
    if isinstance(mask, PlaneMask):
        return mask.fine if mask.cropped else None
    return np.asarray(mask, np.float32)


def _window(look: Thumbnail, box: Area) -> tuple[Area, NDArray[np.uint8]] | None:
    """What is around a box, and its brightness, blue and red, (3, h, w) of `SIZE`; None where it is tiny."""
    scale = np.array(look.grey.shape[::-1]) / look.frame[::-1]
    centre, sides = (box[:2] + box[2:]) / 2 * scale, (box[2:] - box[:2]) * scale
    if sides.min() < _LEAST:
        return None
    wide, high = (1 + 2 * _AROUND) * sides
    half = np.array([max(wide, _NARROWEST * high), high]) / 2
    ends = np.clip(np.stack([centre - half, centre + half]) / 2, 0, np.array(look.colours[0].shape[::-1]))
    (left, top), (right, bottom) = np.floor(ends[0]).astype(int), np.ceil(ends[1]).astype(int)  # pixels of the colours
    if 2 * min(right - left, bottom - top) < _LEAST:
        return None
    planes = (look.grey[2 * top : 2 * bottom, 2 * left : 2 * right], *(c[top:bottom, left:right] for c in look.colours))
    area = np.array([left, top, right, bottom]) * 2 / np.tile(scale, 2)
    return area.astype(np.float32), np.stack([_resized(plane) for plane in planes])


def _resized(plane: Plane) -> Plane:
    shrinks = plane.shape[0] > SIZE[0] and plane.shape[1] > SIZE[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, SIZE[::-1], interpolation=how), np.uint8)


def _over(plane: NDArray[np.float32], area: Area, part: Area, shape: tuple[int, ...] = SIZE) -> NDArray[np.float32]:
    """(h, w) of `shape`: what a plane that covers `area` has over `part`; 0 outside."""
    density = np.array(plane.shape[::-1]) / np.maximum(area[2:] - area[:2], 1e-3)
    step = (part[2:] - part[:2]) / np.array(shape[::-1]) * density
    start = (part[:2] - area[:2]) * density + step / 2 - 0.5
    way = np.array([[step[0], 0, start[0]], [0, step[1], start[1]]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(plane, way, shape[::-1], flags=how, borderMode=cv2.BORDER_CONSTANT), np.float32)


def _places(area: Area, part: Area) -> Flow:
    """(h, w, 2) of `SIZE`: the x and y in a plane that covers `area` of each pixel of one that covers `part`."""
    density = np.array(SIZE[::-1]) / np.maximum(area[2:] - area[:2], 1e-3)
    step = (part[2:] - part[:2]) / np.array(SIZE[::-1]) * density
    start = (part[:2] - area[:2]) * density + step / 2 - 0.5
    return np.asarray(grid(SIZE) * step + start, np.float32)


def _bytes(plane: NDArray[np.float32]) -> Plane:
    return np.asarray(np.rint(plane * 255), np.uint8)


def _moved(area: Area, before: Area, box: Area) -> Area:
    """Where an area around the box that was `before` is, now that that is `box`."""
    growth = (box[2:] - box[:2]) / np.maximum(before[2:] - before[:2], 1e-3)
    return np.asarray(np.tile(box[:2], 2) + (area - np.tile(before[:2], 2)) * np.tile(growth, 2), np.float32)
