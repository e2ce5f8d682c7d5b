"""The foreground's edge at the frame's own resolution, drawn to where the colours change.

He, Sun and Tang, "Guided Image Filtering", ECCV 2010: in every small window the mask is taken to be a linear function
of the picture's colours. Solved on a small picture, as in their "Fast Guided Filter" (2015), and applied to the large.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image
from streamseg.render.alpha import Alpha, enlarge

_SIDE = 256  # px of the longer side of the small picture
_RADIUS = 4  # px there: how far an edge may be from where the mask has it
_SMOOTHNESS = 1e-4  # of colours in 0..1: what differs less is one colour
_ROOM = 3  # px of the small picture around the edge: beyond it the mask is believed

Plane = NDArray[Any]
"""(h, w) f32."""


def refine(alpha: Alpha, image: Image) -> Alpha:
    """(H, W) u8 from a coarse `alpha` (h, w) u8, 0..255, and the (H, W, 3) u8 picture that it is for."""
    height, width = image.shape[:2]
    shrunk = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * shrunk)), max(1, round(height * shrunk))
    mask = enlarge(alpha, size[1], size[0]).astype(np.float32) / 255
    unsure, whole = _near_edge(mask), np.array(enlarge(alpha, height, width))
    x, y, wide, high = cv2.boundingRect(unsure)
    if not wide:
        return whole
    slopes, offset = _fit(cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255, mask)
    left, right = (round(each * width / size[0]) for each in (x, x + wide))
    top, bottom = (round(each * height / size[1]) for each in (y, y + high))
    part = image[top:bottom, left:right], whole[top:bottom, left:right]
    small = [plane[y : y + high, x : x + wide] for plane in (*slopes, offset, unsure)]
    part[1][...] = _drawn(part[0], part[1], small)
    return whole


def _drawn(image: Image, coarse: Alpha, small: list[NDArray[Any]]) -> Alpha:
    """The mask of one part of the picture: by its colours near the edge, as it was elsewhere."""
    size = image.shape[1], image.shape[0]
    *slopes, found, near = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in small)
    for slope, channel in zip(slopes, cv2.split(image), strict=True):
        cv2.accumulateProduct(slope, channel.astype(np.float32), found)
    found = cv2.convertScaleAbs(np.maximum(found, 0), alpha=255)
    return np.asarray(np.where(near > 0, found, coarse), np.uint8)


def _near_edge(mask: Plane) -> Alpha:
    """255 where the edge of the foreground is not far."""
    kernel = np.ones((2 * _ROOM + 1,) * 2, np.uint8)
    inside = (mask > 0.5).astype(np.uint8)
    return np.asarray((cv2.dilate(inside, kernel) != cv2.erode(inside, kernel)) * np.uint8(255), np.uint8)


def _fit(image: NDArray[Any], mask: Plane) -> tuple[list[Plane], Plane]:
    """Three slopes, for values of 0..255, and an offset for each pixel: mask = slopes . colour + offset around it."""
    channels = cv2.split(image)
    means, mean = [_mean(channel) for channel in channels], _mean(mask)
    spread = {
        (i, j): _mean(channels[i] * channels[j]) - means[i] * means[j] + (_SMOOTHNESS if i == j else 0)
        for i in range(3)
        for j in range(i, 3)
    }
    along = [_mean(channel * mask) - each * mean for channel, each in zip(channels, means, strict=True)]
    slopes = _solve(spread, along)
    offset = mean - sum(slope * each for slope, each in zip(slopes, means, strict=True))
    return [np.asarray(_mean(slope) / 255, np.float32) for slope in slopes], _mean(np.asarray(offset, np.float32))


def _solve(spread: dict[tuple[int, int], Plane], along: list[Plane]) -> list[Plane]:
    """The symmetric 3x3 system of each pixel, by its adjugate."""
    a, b, c, d, e, f = (spread[i, j] for i in range(3) for j in range(i, 3))
    rows = (
        (d * f - e * e, c * e - b * f, b * e - c * d),
        (c * e - b * f, a * f - c * c, b * c - a * e),
        (b * e - c * d, b * c - a * e, a * d - b * b),
    )
    whole = a * rows[0][0] + b * rows[0][1] + c * rows[0][2]
    return [sum(part * right for part, right in zip(row, along, strict=True)) / whole for row in rows]


def _mean(plane: Plane) -> Plane:
    side = 2 * _RADIUS + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)
