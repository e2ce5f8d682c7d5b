"""Colours over the video, the colours alone, and both videos side by side."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame, Image
from streamseg.render.alpha import SMOOTH, Alpha, enlarge, foreground
from streamseg.render.palette import colour_table
from streamseg.segmentation import Segmentation


class Overlay:
    """Blends class colours over the frame; the background and ignored pixels stay as they were, to the bit.

    Labels are coloured at their own resolution, the colours enlarged smoothly, blended in one pass, and what is not
    drawn copied back: two passes over the full picture, whatever the number of classes.
    """

    def __init__(self) -> None:
        self._look: tuple[bytes, int | None] = b"", None
        self._table: NDArray[np.uint8] = np.zeros((256, 1, 3), np.uint8)
        self._colours: Image = np.zeros((0, 0, 3), np.uint8)

    def __call__(self, image: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
        """Fills `image`, (H, W, 3) like the frame."""
        alpha = foreground(segmentation)
        colours = self._enlarged(segmentation, alpha, frame.height, frame.width)
        cv2.addWeighted(frame.image, 1 - opacity, colours, opacity, 0, dst=image)
        if alpha is not None:
            _, undrawn = cv2.threshold(enlarge(alpha, frame.height, frame.width), 127, 255, cv2.THRESH_BINARY_INV)
            cv2.copyTo(frame.image, undrawn, image)

    def _enlarged(self, segmentation: Segmentation, alpha: Alpha | None, height: int, width: int) -> Image:
        classes = segmentation.classes
        look = classes.colours.tobytes(), classes.background  # by value: every worker has classes of its own
        fresh = look != self._look
        if fresh:
            self._look, self._table = look, colour_table(classes)
        if self._colours.shape[:2] != (height, width):
            self._colours, fresh = np.empty((height, width, 3), np.uint8), True
        if len(classes) == 2 and classes.background is not None:
            if fresh:  # one colour everywhere: what is background is copied back anyway
                self._colours[:] = classes.colours[1 - classes.background]
            return self._colours
        coloured = cv2.applyColorMap(grown(segmentation.labels, alpha), self._table)
        cv2.resize(coloured, (width, height), dst=self._colours, interpolation=SMOOTH)
        return self._colours


def grown(labels: NDArray[np.uint8], alpha: Alpha | None) -> NDArray[np.uint8]:
    """Labels continued one pixel into what is not drawn, so that no border fades to the background's colour."""
    if alpha is None:
        return labels
    grown = cv2.dilate(cv2.bitwise_and(labels, labels, mask=alpha), np.ones((3, 3), np.uint8))
    cv2.copyTo(labels, alpha, grown)
    return np.asarray(grown, np.uint8)


class ColoursOnly:
    """The class colours without the video; black where nothing is drawn."""

    def __call__(self, image: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
        """Fills `image`; hard borders, so that every pixel shows exactly one class."""
        coloured = cv2.applyColorMap(segmentation.labels, colour_table(segmentation.classes))
        cv2.resize(coloured, (frame.width, frame.height), dst=image, interpolation=cv2.INTER_NEAREST_EXACT)


class SideBySide:
    """The frame on the left, the overlay on the right."""

    def __init__(self) -> None:
        self._overlay = Overlay()

    def __call__(self, image: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
        """Fills `image`, which is twice as wide as the frame."""
        np.copyto(image[:, : frame.width], frame.image)
        self._overlay(image[:, frame.width :], frame, segmentation, opacity)


def source(image: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
    """The frame as it came."""
    np.copyto(image, frame.image)
