"""Outlines of masks, and boxes with names around instances."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image
from streamseg.masks import sampled
from streamseg.render.alpha import enlarge, foreground
from streamseg.render.text import put_text, text_scale
from streamseg.segmentation import Segmentation

_LETTER_PX = 17  # width of a letter at scale 1
_WIDEST = 2.5  # boxes


def outline(image: Image, segmentation: Segmentation) -> None:
    """Draws the border between what is drawn and what is not, and between classes, in white."""
    height, width = image.shape[:2]
    thickness = max(1, round(min(height, width) / 360))
    alpha = foreground(segmentation)
    if alpha is not None and len(segmentation.classes) == 2:
        _trace(image, enlarge(alpha, height, width) > 127, thickness)
        return
    labels = sampled(segmentation.labels, (height, width))
    for class_id in np.flatnonzero(np.bincount(segmentation.labels.reshape(-1), minlength=256)):
        if class_id < len(segmentation.classes) and class_id != segmentation.classes.background:
            _trace(image, labels == class_id, thickness)


def _trace(image: Image, mask: NDArray[np.bool_], thickness: int) -> None:
    contours, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(image, contours, -1, (255, 255, 255), thickness, cv2.LINE_AA)


def boxes(image: Image, segmentation: Segmentation) -> None:
    """Draws each instance's box, class and score in its class's colour."""
    instances, classes = segmentation.instances, segmentation.classes
    if instances is None:
        return
    thickness = max(1, round(min(image.shape[:2]) / 240))
    scale = text_scale(image)
    for class_id, score, box in zip(instances.class_ids, instances.scores, instances.boxes, strict=True):
        left, top, right, bottom = (round(float(value)) for value in box)
        blue, green, red = (int(value) for value in classes.colours[class_id])
        cv2.rectangle(image, (left, top), (right, bottom), (blue, green, red), thickness, cv2.LINE_AA)
        name = f"{classes.names[class_id]} {score:.0%}"
        if len(name) * _LETTER_PX * scale < _WIDEST * (right - left):  # a crowd of small ones would be all letters
            put_text(image, name, left + thickness, top - thickness, scale)
