"""Canny's edges: drawn, or closed into the regions between them."""

from __future__ import annotations

from typing import Annotated

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from streamseg.contracts import Segmenter
from streamseg.frame import Image
from streamseg.infer.classical.method import Labels, PerFrame, by_size, grey, name_classes, number_classes
from streamseg.segmentation import Classes

_Level = Annotated[float, Meta(ge=0, le=1000)]
_SPREAD = 0.33  # of the thresholds around the median brightness
_LOWER, _UPPER = (20.0, 90.0), (60.0, 200.0)  # their bounds: noise in the dark is no edge, and bright frames have some


class Edges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Edges drawn; thresholds left out follow each frame's median brightness, within bounds."""

    low: _Level | None = None
    high: _Level | None = None
    thickness: Annotated[int, Meta(ge=1, le=15)] = 2


class Regions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The areas that closed edges leave between them, largest first."""

    low: _Level | None = None
    high: _Level | None = None
    gap: Annotated[int, Meta(ge=1, le=51)] = 5
    """Holes in an edge up to this many pixels are closed."""
    count: Annotated[int, Meta(ge=1, le=64)] = 24


def edge_classes(settings: Edges) -> Classes:
    """Background and edge."""
    return name_classes("background", "edge")


def region_classes(settings: Regions) -> Classes:
    """The edges as background, and the regions."""
    return number_classes(settings.count)


def edges(settings: Edges) -> Segmenter:
    """A segmenter that draws edges."""
    brush = np.ones((settings.thickness, settings.thickness), np.uint8)

    def find(image: Image) -> Labels:
        drawn = cv2.dilate(_canny(image, settings.low, settings.high), brush)
        return np.asarray(cv2.threshold(drawn, 0, 1, cv2.THRESH_BINARY)[1], np.uint8)

    return PerFrame(edge_classes(settings), find)


def edge_regions(settings: Regions) -> Segmenter:
    """A segmenter for the regions between edges."""
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (settings.gap, settings.gap))

    def find(image: Image) -> Labels:
        closed = cv2.morphologyEx(_canny(image, settings.low, settings.high), cv2.MORPH_CLOSE, brush)
        between = cv2.bitwise_not(cv2.dilate(closed, np.ones((2, 2), np.uint8)))
        _, regions = cv2.connectedComponents(between, connectivity=4)
        return by_size(np.asarray(regions, np.int32), settings.count)

    return PerFrame(region_classes(settings), find)


def _canny(image: Image, low: float | None, high: float | None) -> Labels:
    """(H, W) u8, 255 on edges (Canny 1986), after a blur that takes the noise of cameras away."""
    smooth = cv2.GaussianBlur(grey(image), (5, 5), 0)
    middle = float(np.median(smooth[::4, ::4]))
    lower = float(np.clip((1 - _SPREAD) * middle, *_LOWER)) if low is None else low
    upper = max(lower, float(np.clip((1 + _SPREAD) * middle, *_UPPER)) if high is None else high)
    return np.asarray(cv2.Canny(smooth, lower, upper), np.uint8)
