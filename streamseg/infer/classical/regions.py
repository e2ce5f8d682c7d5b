"""Regions: watershed from markers, growing from seeds, GrabCut in a box, connected components."""

from __future__ import annotations

from typing import Annotated

import cv2
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from streamseg.contracts import Segmenter
from streamseg.frame import Image
from streamseg.infer.classical.method import (
    Labels,
    PerFrame,
    by_size,
    grey,
    name_classes,
    number_classes,
    shrink,
    two_classes,
)
from streamseg.segmentation import Classes

_MOST_REGIONS = 254  # 255 is void
_Count = Annotated[int, Meta(ge=1, le=_MOST_REGIONS)]
_Fraction = Annotated[float, Meta(ge=0, le=1)]
_Place = Annotated[float, Meta(ge=0, le=16384)]
_WATERSHED_PX = 480  # sides beyond which a picture is made smaller first
_GRABCUT_PX = 160


class Watershed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Objects that touch, told apart by the distance to their border (Meyer 1992)."""

    count: _Count = 100
    invert: bool = False
    """True: objects are darker than the ground."""
    core: _Fraction = 0.5
    """Share of the largest distance that a pixel needs to be the sure inside of an object."""


class Components(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bright (or with invert dark) areas that hang together, largest first."""

    count: _Count = 24
    invert: bool = False
    least_percent: Annotated[float, Meta(ge=0, le=100)] = 0.05
    """Smaller areas are noise, in percent of the picture."""


class Grow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The area around each seed whose colour changes by at most `tolerance` from pixel to pixel."""

    seeds: tuple[_Place, ...] = (0.5, 0.5)
    """x, y, x, y, … as shares of width and height, or where one is above 1 in pixels of the frame."""
    tolerance: Annotated[int, Meta(ge=0, le=255)] = 6

    def __post_init__(self) -> None:
        if not self.seeds or len(self.seeds) % 2 or len(self.seeds) > 2 * _MOST_REGIONS:
            raise ValueError(f"`seeds` needs an x and a y for each seed, of which there may be {_MOST_REGIONS}")


class GrabCut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands out inside a box (Rother et al. 2004); its colour models carry over from frame to frame."""

    box: tuple[_Place, _Place, _Place, _Place] = (0.2, 0.1, 0.8, 0.95)
    """Left, top, right, bottom as shares of width and height, or where one is above 1 in pixels of the frame."""

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if left >= right or top >= bottom:
            raise ValueError("`box` is left, top, right, bottom, with left < right and top < bottom")


def watershed_classes(settings: Watershed) -> Classes:
    """Background and objects by size."""
    return number_classes(settings.count, "object")


def component_classes(settings: Components) -> Classes:
    """Background and areas by size."""
    return number_classes(settings.count)


def grow_classes(settings: Grow) -> Classes:
    """Background and a region a seed."""
    count = len(settings.seeds) // 2
    return name_classes("background", "region") if count == 1 else number_classes(count)


def watershed(settings: Watershed) -> Segmenter:
    """A segmenter for touching objects: threshold, distance, markers, flooding."""

    def find(image: Image) -> Labels:
        small = shrink(image, _WATERSHED_PX)
        bright = _otsu(small, settings.invert)
        opened = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8), iterations=2)
        distance = np.asarray(cv2.distanceTransform(opened, cv2.DIST_L2, 5), np.float32)
        core = (distance > settings.core * float(distance.max())) & (opened > 0)
        _, markers = cv2.connectedComponents(core.view(np.uint8))
        flooded = np.asarray(markers, np.int32) + 1
        flooded[(cv2.dilate(opened, np.ones((3, 3), np.uint8), iterations=3) > 0) & ~core] = 0
        if flooded.max() > 1:
            cv2.watershed(small, flooded)
        return by_size(flooded - 1, settings.count)

    return PerFrame(watershed_classes(settings), find)


def components(settings: Components) -> Segmenter:
    """A segmenter for connected areas."""

    def find(image: Image) -> Labels:
        bright = cv2.morphologyEx(_otsu(image, settings.invert), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        _, found, stats, _ = cv2.connectedComponentsWithStats(bright)
        small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < settings.least_percent / 100 * bright.size)
        kept = np.arange(len(stats), dtype=np.int32)
        kept[small] = 0
        return by_size(kept[found], settings.count)

    return PerFrame(component_classes(settings), find)


def grow(settings: Grow) -> Segmenter:
    """A segmenter that floods from seeds; where two meet, the earlier keeps its ground."""
    spread = (settings.tolerance,) * 3
    pixels = max(settings.seeds) > 1
    seeds = np.array(settings.seeds).reshape(-1, 2)

    def find(image: Image) -> Labels:
        height, width = image.shape[:2]
        smooth = cv2.medianBlur(image, 5)
        mask = np.zeros((height + 2, width + 2), np.uint8)
        for number, (x, y) in enumerate(seeds, 1):
            across, down = (x, y) if pixels else (x * width, y * height)
            point = min(width - 1, int(across)), min(height - 1, int(down))
            cv2.floodFill(smooth, mask, point, (0,), spread, spread, 4 | cv2.FLOODFILL_MASK_ONLY | (number << 8))
        return np.ascontiguousarray(mask[1:-1, 1:-1])

    return PerFrame(grow_classes(settings), find)


def grabcut(settings: GrabCut) -> Segmenter:
    """A segmenter for the thing in a box: a cut on a small picture, its colour models carried on."""
    return PerFrame(two_classes(settings), _Cut(settings))


class _Cut:
    def __init__(self, settings: GrabCut) -> None:
        self._box = settings.box
        self._pixels = max(settings.box) > 1
        self._models: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def __call__(self, image: Image) -> Labels:
        small = shrink(image, _GRABCUT_PX)
        height, width = small.shape[:2]
        scale = 1 / np.array(image.shape[1::-1]) if self._pixels else np.ones(2)
        across, down = scale * (width, height)
        left, top = min(width - 1, int(self._box[0] * across)), min(height - 1, int(self._box[1] * down))
        right, bottom = max(left + 1, int(self._box[2] * across)), max(top + 1, int(self._box[3] * down))
        mask = np.full((height, width), cv2.GC_BGD, np.uint8)
        mask[top:bottom, left:right] = cv2.GC_PR_FGD
        if (mask == cv2.GC_BGD).all() or (mask == cv2.GC_PR_FGD).all() or mask.size < 64:
            return np.asarray(mask == cv2.GC_PR_FGD).view(np.uint8)
        first = self._models is None
        background, foreground = self._models or (np.zeros((1, 65)), np.zeros((1, 65)))
        # A first cut learns the colours from the box; a later one starts from those of the frame before.
        mode, rounds = (cv2.GC_INIT_WITH_MASK, 3) if first else (cv2.GC_EVAL, 1)
        cv2.setRNGSeed(0)
        cv2.grabCut(small, mask, (0, 0, 0, 0), background, foreground, rounds, mode)
        self._models = background, foreground
        return (mask & 1).astype(np.uint8)


def _otsu(image: Image, invert: bool) -> Labels:
    side = cv2.THRESH_BINARY_INV if invert else cv2.THRESH_BINARY
    return np.asarray(cv2.threshold(grey(image), 0, 255, side | cv2.THRESH_OTSU)[1], np.uint8)
