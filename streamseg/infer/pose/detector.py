"""People found by a single-shot detector: a box's worth of numbers at every place of three grids.

Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016; the network is MediaPipe's pose detector, which also says
where the hips are and how far a person reaches.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image
from streamseg.infer.backends.contract import Backend
from streamseg.infer.pose.place import Place, place_of

_SIDE = 224
_GRIDS = ((28, 2), (14, 2), (7, 6))
"""Places a side, and answers at each."""
_SURE = 0.5
_SAME = 0.3
"""Boxes that overlap more, by intersection over union, are of one person."""
_LONG = 1.2
_OVERLAP = 1.3
"""Squares a picture's length, before rounding up: who stands on the edge of one is inside the next."""
_NARROWEST = 1 / 32
"""Of a picture's length: what is less high is cut into longer pieces, or a line would be a thousand squares."""


def find_people(detector: Backend, image: Image, most: int) -> list[Place]:
    """The people in (H, W, 3) u8 BGR, the surest first; looked for in the whole, and closer in the squares along it."""
    found, scores = (np.concatenate(each) for each in zip(*_each_view(detector, image), strict=True))
    chosen = _apart(found, scores)[:most]
    return [place_of(each[4:6], each[6:8]) for each in found[chosen]]


def _each_view(detector: Backend, image: Image) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """(N, 12) boxes and points in pixels of the image, and (N,) scores, of everyone found in each view."""
    for top, left, view in [(0, 0, image), *_squares(image)]:
        height, width = view.shape[:2]
        scale = _SIDE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        x, y = (_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2
        inside = np.zeros((_SIDE, _SIDE, 3), np.uint8)
        inside[y : y + size[1], x : x + size[0]] = cv2.resize(view, size, interpolation=cv2.INTER_AREA)
        numbers, logits = run_detector(detector, inside)
        scores = np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))), np.float32)
        found = decode(numbers)[scores > _SURE] * _SIDE
        per_pixel = np.tile([width / size[0], height / size[1]], 6)
        corner = np.tile([x, y], 6) * (np.arange(12) // 2 != 1)  # the second pair is a size, not a place
        shift = np.tile([left, top], 6) * (np.arange(12) // 2 != 1)
        yield np.asarray((found - corner) * per_pixel + shift, np.float32), scores[scores > _SURE]


def _squares(image: Image) -> Iterator[tuple[int, int, Image]]:
    """Top, left and pixels of overlapping squares that cover a picture which is far from square."""
    height, width = image.shape[:2]
    short, long = min(height, width), max(height, width)
    if long < _LONG * short:
        return
    short = max(short, round(_NARROWEST * long))
    for start in np.linspace(0, long - short, int(np.ceil(_OVERLAP * long / short))).astype(int):
        part = image[:, start : start + short] if width > height else image[start : start + short]
        yield (0, start, part) if width > height else (start, 0, part)


def run_detector(detector: Backend, inside: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(2254, 12) and (2254,): what it says of (224, 224, 3) u8 BGR at each place."""
    values = inside[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    outputs = sorted(detector.run({detector.inputs[0].name: values}).values(), key=lambda each: each.shape[-1])
    return outputs[1][0], outputs[0][0, :, 0]


def decode(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 12) of 0..1: middle and size of each box, then four points, as shares of the input."""
    found = np.asarray(numbers / _SIDE, np.float32)
    anchors = np.concatenate([_anchors(side, answers) for side, answers in _GRIDS])
    found[:, :2] += anchors
    found[:, 4:] += np.tile(anchors, 4)
    return found


def _anchors(side: int, answers: int) -> NDArray[np.float32]:
    """(N, 2): the middle of each place, as many times as it answers."""
    y, x = np.mgrid[:side, :side] + 0.5
    places = np.asarray(np.stack([x.ravel(), y.ravel()], 1), np.float32)
    return np.asarray(np.repeat(places / side, answers, 0), np.float32)


def _apart(found: NDArray[np.float32], scores: NDArray[np.float32]) -> list[int]:
    """Which boxes stay when of those that overlap only the surest does."""
    corners = [[float(x - w / 2), float(y - h / 2), float(w), float(h)] for x, y, w, h in found[:, :4]]
    kept = cv2.dnn.NMSBoxes(corners, scores.tolist(), _SURE, _SAME) if corners else []
    return [int(index) for index in np.asarray(kept).reshape(-1)]
