"""Every object in a colour of its own, so that those that touch can be told apart."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame, Image
from streamseg.render.overlay import Overlay, source
from streamseg.segmentation import Classes, Segmentation, draw_masks

_N = 254
_GOLDEN = 0.618034  # of a turn: neighbours in the list are far apart on the wheel, whatever their number


class Objects:
    """Blends the objects over the frame; where the model finds none but labels, those."""

    def __init__(self) -> None:
        self._overlay = Overlay()
        self._classes = Classes(tuple(map(str, range(_N + 1))), _colours(), background=0, ignore_index=None)

    def __call__(self, image: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
        """Fills `image`, (H, W, 3) like the frame; an object that is tracked keeps its colour."""
        found = segmentation.instances
        if found is None:
            self._overlay(image, frame, segmentation, opacity)
            return
        numbers = np.zeros_like(segmentation.labels)
        order = np.where(found.track_ids >= 0, found.track_ids, np.arange(len(found)))
        draw_masks(numbers, found, (frame.height, frame.width), order % _N + 1)
        own = Segmentation(numbers, self._classes, segmentation.frame_index, segmentation.frame_time_s)
        self._overlay(image, frame, own, opacity)


class Boxes:
    """The frame alone, over which boxes are drawn; where the model finds no objects but labels, those."""

    def __init__(self) -> None:
        self._overlay = Overlay()

    def __call__(self, image: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
        """Fills `image`, (H, W, 3) like the frame."""
        shown = source if segmentation.instances is not None else self._overlay
        shown(image, frame, segmentation, opacity)


def _colours() -> NDArray[np.uint8]:
    """(255, 3) u8 BGR, the first black: bright ones all around the wheel."""
    hue = (np.arange(_N) * _GOLDEN % 1 * 180).astype(np.uint8)
    saturation = np.where(np.arange(_N) % 2, 200, 255).astype(np.uint8)
    wheel = np.stack([hue, saturation, np.full(_N, 255, np.uint8)], 1)[None]
    coloured = np.asarray(cv2.cvtColor(wheel, cv2.COLOR_HSV2BGR), np.uint8)[0]
    return np.vstack([np.zeros((1, 3), np.uint8), coloured])
