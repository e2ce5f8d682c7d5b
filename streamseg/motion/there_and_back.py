"""Where the way to a frame and the way back from it lead to other labels: what was hidden or uncovered between them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import sampled
from streamseg.motion.flow import Flow, Search, Thumbnail, grid, inverse, resized, sample

Plane = NDArray[np.uint8]
DOUBTED = 217  # of 255: seven in eight of such pixels have the right label on a drive, 83 to 98 % on clips of one thing
_MOST = np.where(np.arange(256) == 255, DOUBTED, 255).astype(np.uint8)  # confidence, by whether labels differ
_AROUND = np.ones((3, 3), np.uint8)


def doubted(search: Search, now: Thumbnail, then: Thumbnail, way: Flow, labels: Plane, confidence: Plane) -> Plane:
    """`confidence`, (h, w) u8, of what was carried from `then` along `way`, where that had `labels`, (h, w) u8.

    It is lower where motion that is searched from `then` to `now` would have brought another label (the check of a
    flow by the one back, as in Sundaram, Brox and Keutzer, 2010, but of what it is for).
    """
    back = search(then, now)
    if back is None:
        return confidence
    shape = back.shape[:2]
    small = sampled(labels, (shape[0], shape[1]))
    one, other = (
        sample(small, grid(shape) + each, cv2.INTER_NEAREST)
        for each in (way if way.shape[:2] == shape else resized(way, shape), inverse(back))
    )
    differs = cv2.dilate(cv2.compare(one, other, cv2.CMP_NE), _AROUND)
    most = cv2.LUT(differs, _MOST)
    height, width = confidence.shape
    return np.asarray(cv2.min(confidence, sampled(np.asarray(most, np.uint8), (height, width))), np.uint8)
