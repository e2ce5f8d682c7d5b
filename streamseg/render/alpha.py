"""How much of each pixel is foreground: from labels, and from confidence where the method has one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.render.palette import drawn_table
from streamseg.segmentation import Segmentation

Alpha = NDArray[np.uint8]
SMOOTH = cv2.INTER_LINEAR  # the exact variant takes 1.4 times as long


def foreground(segmentation: Segmentation) -> Alpha | None:
    """(h, w) u8 at the labels' resolution, 0..255 for "is drawn"; None where every pixel surely is.

    With two classes, one of them background, the confidence says how far a pixel is from the border between them, so
    that the border stays smooth when it is enlarged.
    """
    classes, labels = segmentation.classes, segmentation.labels
    drawn = drawn_table(classes)
    if classes.background is None and int(labels.max(initial=0)) < len(classes) and drawn[: len(classes)].all():
        return None
    alpha = np.asarray(cv2.LUT(labels, drawn), np.uint8)
    if segmentation.confidence is None or len(classes) != 2 or classes.background is None:
        return alpha
    # Where the label is background, sure of it means far from foreground. Below one half nothing is known, which is
    # what remains of a label that could not be followed: then nothing is drawn.
    drawn_as = cv2.bitwise_xor(segmentation.confidence, cv2.bitwise_not(alpha))
    return np.asarray(cv2.min(drawn_as, segmentation.confidence), np.uint8)


def enlarge(image: Alpha, height: int, width: int) -> Alpha:
    """`image` at (height, width), smoothly."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=SMOOTH), np.uint8)
