"""Fits the carried mask of one object to the new picture, which is squeezed into what the network sees."""

from __future__ import annotations

import dataclasses
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import sampled
from streamseg.motion.flow import Flow, Thumbnail, grid, sample
from streamseg.motion.flow_history import FlowHistory
from streamseg.motion.refit_colours import SIZE, Colours, likely_colours
from streamseg.motion.refit_network import FAULTS, Network
from streamseg.motion.voting import Plane
from streamseg.segmentation import Segmentation

_NEEDED = (0.3 * np.arange(256)).round().astype(np.uint8)
"""By the confidence of a carried label: how far beyond one half the network must be, in 255th, to change it."""
_HALF = 128
_FINE = 192, 320  # what is larger is sampled first
_LEAST, _MOST = 0.004, 0.9  # of the picture: less the flow may have lost, and around more nothing is left


class _Key(NamedTuple):
    """A mask that others are carried from."""

    frame_index: int
    labels: Plane
    colours: Colours
    """How likely each is the object's in its frame."""
    faults: NDArray[np.float32]
    """(h, w) of `SIZE`: what the network says of its frame too much, in 255th: thin things that it cuts away, say."""

    def of(self, found: Segmentation) -> bool:
        return self.frame_index == found.frame_index and self.labels is found.labels


class Refit:
    """What fits the carried masks of one stream; belongs to one thread."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._key: _Key | None = None
        self._last: tuple[Thumbnail, Plane] | None = None
        """The frame that a mask from the key was last fitted to, and that mask."""

    def __call__(
        self,
        history: FlowHistory,
        now: Thumbnail,
        key: Segmentation,
        carried: Segmentation,
        *,
        chained: bool,
        passes: int,
    ) -> Segmentation:
        """`carried`, which is `key` brought to the frame `now`, fitted to that.

        `chained` continues from the mask that was fitted to the frame before: better where that is nearer to the key
        than this one, and `carried` knows nothing of a mask on the other side. The network is asked `passes` times.

        A label is changed where the network is surer of the other one, and would not have changed it in the key's own
        frame. A mask that is empty, tiny or fills the picture stays as it is, and so do masks of more than one class;
        all do where ONNX Runtime or the network's file is missing.
        """
        classes, then = key.classes, history.find(key.frame_index)
        if then is None or len(classes) != 2 or classes.background not in (0, 1):
            return carried
        thing = 1 - classes.background
        mask = soft(carried.labels, thing)
        if not _LEAST < cv2.mean(mask)[0] / 255 < _MOST or not self._network.there:
            self._last = None
            return carried
        if self._key is None or not self._key.of(key):
            self._key, self._last = self._learnt(pictures(then), key, soft(key.labels, thing), passes), None
        before = self._moved(history, now, mask) if chained else mask
        way = history.way(now, then)
        places = grid(SIZE) if way is None else _places(way)
        likely = self._network(pictures(now), before, self._key.colours, places, passes)
        likely -= FAULTS * sample(self._key.faults, places)
        labels, confidence = _put(np.clip(likely, 0, 255).astype(np.uint8), mask, carried, thing)
        self._last = now, soft(labels, thing)
        return dataclasses.replace(carried, labels=labels, confidence=confidence)

    def _learnt(self, picture: NDArray[np.uint8], key: Segmentation, mask: Plane, passes: int) -> _Key:
        colours = likely_colours(picture, mask)
        return _Key(key.frame_index, key.labels, colours, self._network(picture, mask, colours, passes=passes) - mask)

    def _moved(self, history: FlowHistory, now: Thumbnail, carried: Plane) -> Plane:
        """The mask that was fitted to the frame before, moved on; `carried` where there is none."""
        if self._last is None or history.before(now) is not self._last[0]:
            return carried
        step = history.step(now, self._last[0])
        return carried if step is None else sample(self._last[1], _places(step))


def _places(step: Flow) -> Flow:
    """(h, w, 2) of `SIZE`: the x and y that each pixel came from."""
    height, width = SIZE
    small = cv2.resize(step, (width, height), interpolation=cv2.INTER_LINEAR)
    small *= np.array([width / step.shape[1], height / step.shape[0]], np.float32)
    return np.asarray(cv2.add(small, grid(SIZE), small), np.float32)


def pictures(look: Thumbnail) -> NDArray[np.uint8]:
    """(3, h, w) of `SIZE`: brightness, blue and red."""
    planes = (look.grey, *look.colours)
    return np.stack([_shrunk(plane) for plane in planes])


def soft(labels: Plane, thing: int) -> Plane:
    """(h, w) of `SIZE`: the share of each pixel that has the label `thing`, in 255th."""
    labels = _sampled(labels)
    return _shrunk(np.asarray(cv2.compare(labels, np.full_like(labels, thing), cv2.CMP_EQ), np.uint8))


def _sampled(plane: Plane) -> Plane:
    return sampled(plane, _FINE) if plane.size > _FINE[0] * _FINE[1] else plane


def _shrunk(plane: Plane) -> Plane:
    return np.asarray(cv2.resize(plane, SIZE[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def _put(likely: Plane, mask: Plane, carried: Segmentation, thing: int) -> tuple[Plane, Plane]:
    """Labels and confidence of `carried`, whose mask that is: the surer a label was, the surer is what changes it."""
    assert carried.confidence is not None  # it was carried
    labels, confidence = carried.labels.copy(), carried.confidence.copy()
    part = _border(likely, mask, labels.shape)
    if not labels[part].size:
        return labels, confidence
    needed = np.asarray(cv2.LUT(_shrunk(_sampled(confidence)), _NEEDED), np.uint8)
    likely, needed = _enlarged(likely, part, labels.shape), _enlarged(needed, part, labels.shape)
    was = labels[part] == thing
    more = (cv2.subtract(likely, needed) >= _HALF) & ~was
    less = (cv2.add(likely, needed) < _HALF) & was
    for changed, label, sure in ((more, thing, likely), (less, 1 - thing, cv2.bitwise_not(likely))):
        chosen = changed.view(np.uint8)
        cv2.copyTo(np.full_like(likely, label), chosen, labels[part])
        cv2.copyTo(sure if label == thing else cv2.min(sure, confidence[part]), chosen, confidence[part])
    return labels, confidence


Part = tuple[slice, slice]


def _border(likely: Plane, mask: Plane, shape: tuple[int, ...]) -> Part:
    """The rows and columns of a plane of `shape` outside of which the network and the mask agree."""
    around = np.ones((3, 3), np.uint8)
    more = (np.asarray(cv2.dilate(likely, around)) >= _HALF) & (mask < 255)
    less = (np.asarray(cv2.erode(likely, around)) < _HALF) & (mask > 0)
    x, y, wide, high = cv2.boundingRect((more | less).view(np.uint8))
    rows, columns = shape[0] / SIZE[0], shape[1] / SIZE[1]
    return np.s_[int(y * rows) : ceil((y + high) * rows), int(x * columns) : ceil((x + wide) * columns)]


def _enlarged(plane: Plane, part: Part, shape: tuple[int, ...]) -> Plane:
    """`part` of `plane` (h, w) of `SIZE`, enlarged to `shape`."""
    (top, bottom), (left, right) = ((each.start, each.stop) for each in part)
    down, across = SIZE[0] / shape[0], SIZE[1] / shape[1]
    way = np.array([[across, 0, (left + 0.5) * across - 0.5], [0, down, (top + 0.5) * down - 0.5]])
    size, how = (right - left, bottom - top), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(plane, way, size, flags=how, borderMode=cv2.BORDER_REPLICATE), np.uint8)
