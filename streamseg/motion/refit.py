"""Fits the carried mask of one object to the new picture, which is squeezed into what the network sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import sampled
from streamseg.motion.flow import Flow, Thumbnail, grid, sample
from streamseg.motion.flow_history import FlowHistory
from streamseg.motion.refit_colours import SIZE, Colours, likely, likely_colours
from streamseg.motion.refit_network import FAULTS, STRIDE, Network, inputs
from streamseg.motion.voting import Plane
from streamseg.segmentation import Segmentation

_NEEDED = 0.3  # of the confidence of a carried label: how far beyond one half the network must be to change it
_HALF = 128
_FINE = 192, 320  # what is larger is sampled first
_LEAST_MARGIN, _MOST_MARGIN = 16, 32  # pixels around a mask that are seen with it: small, fast things need most
_SIDE = 96  # what is seen is no higher or wider than this, where a mask with its least margin fits into that
_LEAST, _MOST = 0.004, 0.9  # of the picture: less the flow may have lost, and around more nothing is left


Part = tuple[slice, slice]
"""Rows and columns."""


class _Key(NamedTuple):
    """A mask that others are carried from."""

    frame_index: int
    labels: Plane
    colours: Colours
    """How likely each is the object's in its frame."""
    faults: NDArray[np.float32]
    """(h, w) of `SIZE`: what the network says of its frame too much, in 255th: thin things that it cuts away, say;
    nothing where it does not look."""

    def of(self, found: Segmentation) -> bool:
        return self.frame_index == found.frame_index and self.labels is found.labels


class Refit:
    """What fits the carried masks of one stream; belongs to one thread."""

    def __init__(self, network: Network, *, whole: bool = False) -> None:
        """`whole`: the network sees all of the picture, not only what is around the mask."""
        self._network = network
        self._whole = whole
        self._keys: list[_Key] = []
        """The last two that were used."""
        self._last: tuple[_Key, Thumbnail, Plane] | None = None
        """The frame that a mask from a key was last fitted to, and that mask."""

    def __call__(
        self,
        history: FlowHistory,
        now: Thumbnail,
        found: Sequence[Segmentation],
        carried: Segmentation,
        *,
        chained: bool,
        passes: int,
    ) -> Segmentation:
        """`carried`, which is what was `found` brought to the frame `now`, fitted to that; the nearest comes first.

        `chained` continues from the mask that was fitted to the frame before: better where that is nearer to the key
        than this one, and `carried` knows nothing of a mask on the other side. The network is asked `passes` times.

        A label is changed where the network is surer of the other one, and would not have changed it in the key's own
        frame. A mask that is empty, tiny or fills the picture stays as it is, and so do masks of more than one class;
        all do where ONNX Runtime or the network's file is missing.
        """
        last, self._last = self._last, None
        classes = carried.classes
        if len(classes) != 2 or classes.background not in (0, 1):
            return carried
        thing = 1 - classes.background
        mask = soft(carried.labels, thing)
        if not _LEAST < cv2.mean(mask)[0] / 255 < _MOST or not self._network.there:
            return carried
        keys = [key for one in found if (key := self._key(history, one, thing, passes)) is not None]
        if not keys:
            return carried
        before = mask
        if chained and last is not None and last[0] is keys[0] and history.before(now) is last[1]:
            before = _moved(history, now, last[1], last[2], mask)
        part = self._around(np.maximum(mask, before))
        picture = pictures(now)[:, part[0], part[1]]
        by_colour, faults = _told(history, now, picture, part, keys)
        likely = self._network(np.concatenate([picture, before[part][None], by_colour]), passes)
        fitted = np.asarray(cv2.addWeighted(likely, 1, faults, -FAULTS, 0, dtype=cv2.CV_8U), np.uint8)
        labels, confidence = _put(fitted, mask, part, carried, thing)
        self._last = keys[0], now, soft(labels, thing)
        return dataclasses.replace(carried, labels=labels, confidence=confidence)

    def _around(self, mask: Plane) -> Part:
        """The rows and columns that the network sees."""
        if self._whole:
            return np.s_[0 : SIZE[0], 0 : SIZE[1]]
        x, y, wide, high = cv2.boundingRect(mask)
        return _widened(y, y + high, SIZE[0]), _widened(x, x + wide, SIZE[1])

    def _key(self, history: FlowHistory, found: Segmentation, thing: int, passes: int) -> _Key | None:
        """What is known of a mask; None where its frame was forgotten."""
        then = history.find(found.frame_index)
        known = next((key for key in self._keys if key.of(found)), None)
        if then is None or known is not None:
            return known if then else None
        picture, mask = pictures(then), soft(found.labels, thing)
        colours = likely_colours(picture, mask)
        part = self._around(mask)
        seen = inputs(picture[:, part[0], part[1]], mask[part], colours, grid(SIZE)[part])
        faults = np.zeros(SIZE, np.float32)
        faults[part] = self._network(seen, passes).astype(np.float32) - mask[part]
        known = _Key(found.frame_index, found.labels, colours, faults)
        self._keys = [known, *self._keys[:1]]
        return known


def _told(
    history: FlowHistory, now: Thumbnail, picture: NDArray[np.uint8], part: Part, keys: Sequence[_Key]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """By the colours of the keys how likely each pixel of a part is the object's; their faults. The nearer the more."""
    nearness, planes, faults = list[float](), list[NDArray[np.uint8]](), list[NDArray[np.float32]]()
    for key in keys:
        then = history.find(key.frame_index)
        way = None if then is None else history.way(now, then)
        if way is not None or not planes:
            places = (grid(SIZE) if way is None else _places(way))[part]
            planes.append(likely(picture, key.colours, places))
            faults.append(sample(key.faults, places))
            nearness.append(1 / max(1, abs(key.frame_index - now.index)))
    if len(planes) == 1:
        return planes[0], faults[0]
    by_colour, fault = (np.average(each, axis=0, weights=nearness) for each in (planes, faults))
    return np.asarray(np.rint(by_colour), np.uint8), np.asarray(fault, np.float32)


def _moved(history: FlowHistory, now: Thumbnail, then: Thumbnail, fitted: Plane, carried: Plane) -> Plane:
    """The mask that was fitted to the frame before, moved on; `carried` where nothing is known of that."""
    step = history.step(now, then)
    return carried if step is None else sample(fitted, _places(step))


def _places(step: Flow) -> Flow:
    """(h, w, 2) of `SIZE`: the x and y that each pixel came from."""
    height, width = SIZE
    small = cv2.resize(step, (width, height), interpolation=cv2.INTER_LINEAR)
    small = cv2.transform(small, np.diag([width / step.shape[1], height / step.shape[0]]))
    return np.asarray(cv2.add(small, grid(SIZE)), np.float32)


def pictures(look: Thumbnail) -> NDArray[np.uint8]:
    """(3, h, w) of `SIZE`: brightness, blue and red."""
    grey, half = look.grey, (look.grey.shape[0] // 2, look.grey.shape[1] // 2)
    if half[0] >= SIZE[0] and half[1] >= SIZE[1]:  # by two it is quick
        grey = np.asarray(cv2.resize(grey, half[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return np.stack([_shrunk(plane) for plane in (grey, *look.colours)])


def soft(labels: Plane, thing: int) -> Plane:
    """(h, w) of `SIZE`: the share of each pixel that has the label `thing`, in 255th."""
    return _shrunk((_sampled(labels) == thing).view(np.uint8) * np.uint8(255))


def _sampled(plane: Plane) -> Plane:
    return sampled(plane, _FINE) if plane.size > _FINE[0] * _FINE[1] else plane


def _shrunk(plane: Plane) -> Plane:
    """What is less than twice as large is asked between its pixels, which is quicker than their mean."""
    larger = plane.shape[0] >= 2 * SIZE[0] or plane.shape[1] >= 2 * SIZE[1]
    how = cv2.INTER_AREA if larger else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, SIZE[::-1], interpolation=how), np.uint8)


def _put(likely: Plane, mask: Plane, seen: Part, carried: Segmentation, thing: int) -> tuple[Plane, Plane]:
    """Labels and confidence of `carried`, whose mask that is: the surer a label was, the surer is what changes it."""
    assert carried.confidence is not None  # it was carried
    labels, confidence = carried.labels.copy(), carried.confidence.copy()
    part = _border(likely, mask, seen, labels.shape)
    if not labels[part].size:
        return labels, confidence
    beyond = np.asarray(cv2.convertScaleAbs(_shrunk(_sampled(confidence)), alpha=_NEEDED), np.uint8)
    beyond = _enlarged(beyond, part, (0, 0), labels.shape)
    likely = _enlarged(likely, part, (seen[0].start, seen[1].start), labels.shape)
    was = labels[part] == thing
    more = (cv2.subtract(likely, beyond) >= _HALF) & ~was
    less = (cv2.add(likely, beyond) < _HALF) & was
    for changed, label, sure in ((more, thing, likely), (less, 1 - thing, cv2.bitwise_not(likely))):
        chosen = changed.view(np.uint8)
        cv2.copyTo(np.full_like(likely, label), chosen, labels[part])
        cv2.copyTo(sure if label == thing else cv2.min(sure, confidence[part]), chosen, confidence[part])
    return labels, confidence


def _widened(start: int, stop: int, side: int) -> slice:
    """With what is seen at both ends of a mask: as many of `side` pixels as the network takes, beginning anywhere."""
    margin = min(max((_SIDE - (stop - start)) // 2, _LEAST_MARGIN), _MOST_MARGIN)
    start, stop = max(0, start - margin), min(side, stop + margin)
    length = STRIDE * ceil((stop - start) / STRIDE)
    start = min(max(0, start - (length - (stop - start)) // 2), side - length)
    return slice(start, start + length)


def _border(likely: Plane, mask: Plane, seen: Part, shape: tuple[int, ...]) -> Part:
    """The rows and columns of a plane of `shape` outside of which the network and the mask agree."""
    around, mask = np.ones((3, 3), np.uint8), mask[seen]
    more = (np.asarray(cv2.dilate(likely, around)) >= _HALF) & (mask < 255)
    less = (np.asarray(cv2.erode(likely, around)) < _HALF) & (mask > 0)
    x, y, wide, high = cv2.boundingRect((more | less).view(np.uint8))
    rows, columns = shape[0] / SIZE[0], shape[1] / SIZE[1]
    y, x = y + seen[0].start, x + seen[1].start
    return np.s_[int(y * rows) : ceil((y + high) * rows), int(x * columns) : ceil((x + wide) * columns)]


def _enlarged(plane: Plane, part: Part, corner: tuple[int, int], shape: tuple[int, ...]) -> Plane:
    """`part` of what is `shape` in all, of a plane whose upper left is the pixel `corner` of `SIZE`."""
    (top, bottom), (left, right) = ((each.start, each.stop) for each in part)
    down, across = SIZE[0] / shape[0], SIZE[1] / shape[1]
    way = np.array(
        [[across, 0, (left + 0.5) * across - 0.5 - corner[1]], [0, down, (top + 0.5) * down - 0.5 - corner[0]]]
    )
    size, how = (right - left, bottom - top), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(plane, way, size, flags=how, borderMode=cv2.BORDER_REPLICATE), np.uint8)
