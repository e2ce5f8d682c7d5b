"""Motion against a still background."""

from __future__ import annotations

from typing import Annotated

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from streamseg.contracts import Segmenter
from streamseg.frame import Image
from streamseg.infer.classical.method import Labels, PerFrame, name_classes, shrink
from streamseg.segmentation import Classes

_LONGEST_PX = 640
_SHADOW = 127  # how MOG2 marks a shadow


class Motion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What moves before a background that is learnt all the time (Zivkovic 2004)."""

    history: Annotated[int, Meta(ge=1, le=100_000)] = 500
    """Frames that the background remembers."""
    threshold: Annotated[float, Meta(gt=0, le=10_000)] = 16.0
    """Squared distance, in standard deviations, from which a pixel is foreground."""
    speck: Annotated[int, Meta(ge=0, le=51)] = 3
    """Smaller specks are removed, px."""


def motion_classes(settings: Motion) -> Classes:
    """Background and what moves."""
    return name_classes("background", "moving")


def motion(settings: Motion) -> Segmenter:
    """A segmenter for moving things; shadows count as background."""
    model = cv2.createBackgroundSubtractorMOG2(settings.history, settings.threshold, detectShadows=True)
    brush = np.ones((settings.speck, settings.speck), np.uint8) if settings.speck > 1 else None

    def find(image: Image) -> Labels:
        mask = model.apply(shrink(image, _LONGEST_PX))
        mask = cv2.threshold(mask, _SHADOW, 1, cv2.THRESH_BINARY)[1]
        if brush is not None:
            mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, brush)
        return np.asarray(mask, np.uint8)

    return PerFrame(motion_classes(settings), find)
