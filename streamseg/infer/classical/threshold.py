"""Thresholds: fixed, Otsu's, adaptive, and a range of hues."""

from __future__ import annotations

from typing import Annotated, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from streamseg.contracts import Segmenter
from streamseg.frame import Image
from streamseg.infer.classical.method import Labels, PerFrame, grey, two_classes

_Byte = Annotated[int, Meta(ge=0, le=255)]
_Odd = Annotated[int, Meta(ge=3, le=501)]


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pixels brighter than `value` are foreground."""

    value: _Byte = 127
    invert: bool = False


class Otsu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The threshold between the two brightnesses that each frame has most of (Otsu 1979)."""

    invert: bool = False


class Adaptive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pixels brighter than their surroundings, less `offset`: for uneven light."""

    block: _Odd = 31
    offset: Annotated[float, Meta(ge=-255, le=255)] = -5.0
    method: Literal["mean", "gaussian"] = "mean"
    invert: bool = False

    def __post_init__(self) -> None:
        if self.block % 2 == 0:
            raise ValueError("`block` must be odd")


_Hue = Annotated[int, Meta(ge=0, le=179)]


class Hsv(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pixels between two colours in hue (0..179), saturation and value; green by default.

    A lower hue above the upper one reaches round through red.
    """

    low: tuple[_Hue, _Byte, _Byte] = (35, 60, 40)
    high: tuple[_Hue, _Byte, _Byte] = (85, 255, 255)


def fixed(settings: Threshold) -> Segmenter:
    """A segmenter for a fixed threshold."""
    return PerFrame(two_classes(settings), lambda image: _split(grey(image), settings.value, settings.invert, 0))


def otsu(settings: Otsu) -> Segmenter:
    """A segmenter for Otsu's threshold."""
    return PerFrame(two_classes(settings), lambda image: _split(grey(image), 0, settings.invert, cv2.THRESH_OTSU))


def adaptive(settings: Adaptive) -> Segmenter:
    """A segmenter for adaptive thresholds."""
    kind = cv2.ADAPTIVE_THRESH_MEAN_C if settings.method == "mean" else cv2.ADAPTIVE_THRESH_GAUSSIAN_C
    side = cv2.THRESH_BINARY_INV if settings.invert else cv2.THRESH_BINARY

    def find(image: Image) -> Labels:
        return np.asarray(cv2.adaptiveThreshold(grey(image), 1, kind, side, settings.block, settings.offset), np.uint8)

    return PerFrame(two_classes(settings), find)


def hsv(settings: Hsv) -> Segmenter:
    """A segmenter for a range of colours."""
    low, high = np.array(settings.low), np.array(settings.high)

    def find(image: Image) -> Labels:
        colours = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        if low[0] <= high[0]:
            inside = cv2.inRange(colours, low, high)
        else:
            upper, lower = np.array([179, *high[1:]]), np.array([0, *low[1:]])
            inside = cv2.bitwise_or(cv2.inRange(colours, low, upper), cv2.inRange(colours, lower, high))
        return np.asarray(cv2.threshold(inside, 0, 1, cv2.THRESH_BINARY)[1], np.uint8)

    return PerFrame(two_classes(settings), find)


def _split(values: Labels, value: int, invert: bool, extra: int) -> Labels:
    side = cv2.THRESH_BINARY_INV if invert else cv2.THRESH_BINARY
    return np.asarray(cv2.threshold(values, value, 1, side | extra)[1], np.uint8)
