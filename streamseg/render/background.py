"""What webcam users want of a person mask: the background blurred, or replaced by a colour or a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.imagefile import read_image
from streamseg.render.alpha import enlarge, foreground
from streamseg.render.matte import refine
from streamseg.segmentation import Segmentation

_SHRINK = 4  # a blur this wide loses nothing on a picture a quarter the size
_BLUR_FRACTION = 0.03  # sigma as a share of the picture's height


class Blur:
    """Blurs the background.

    The blur is taken over background pixels alone (normalised convolution, Knutsson and Westin 1993): a plain blur
    would draw the person's colours out into a halo.
    """

    def __call__(self, image: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
        """Fills `image`, (H, W, 3) like the frame."""
        height, width = max(1, frame.height // _SHRINK), max(1, frame.width // _SHRINK)
        small = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        person = _alpha(segmentation, height, width)
        weight = (1.0 - person.astype(np.float32) / 255)[:, :, None]
        sigma = max(1.0, height * _BLUR_FRACTION)
        total = cv2.GaussianBlur(small * weight, (0, 0), sigma)
        share = cv2.GaussianBlur(weight, (0, 0), sigma)[:, :, None]
        blurred = np.clip(total / np.maximum(share, 1e-3), 0, 255).astype(np.uint8)
        _compose(image, frame, segmentation, enlarge(blurred, frame.height, frame.width))


class Replace:
    """Puts a colour or a picture, scaled to cover, behind the foreground."""

    def __init__(self, background: str | None) -> None:
        self._wanted = _read(background or "#2b2b2b")
        self._fitted: Image = np.zeros((0, 0, 3), np.uint8)

    def __call__(self, image: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
        """Fills `image`, (H, W, 3) like the frame."""
        if self._fitted.shape[:2] != (frame.height, frame.width):
            self._fitted = _cover(self._wanted, frame.height, frame.width)
        _compose(image, frame, segmentation, self._fitted)


def _alpha(segmentation: Segmentation, height: int, width: int) -> Image:
    alpha = foreground(segmentation)
    return np.full((height, width), 255, np.uint8) if alpha is None else enlarge(alpha, height, width)


def matte(image: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
    """Fills `image` with the foreground's share of each pixel, in grey: what to lay over other pictures with."""
    cv2.cvtColor(_edged(frame, segmentation), cv2.COLOR_GRAY2BGR, dst=image)


def _edged(frame: Frame, segmentation: Segmentation) -> Image:
    """The foreground's share of each pixel of the frame, its edge where the colours have theirs."""
    alpha = foreground(segmentation)
    return np.full((frame.height, frame.width), 255, np.uint8) if alpha is None else refine(alpha, frame.image)


def _compose(image: Image, frame: Frame, segmentation: Segmentation, behind: Image) -> None:
    """picture = frame x alpha + behind x (1 - alpha)."""
    share = cv2.cvtColor(_edged(frame, segmentation), cv2.COLOR_GRAY2BGR)
    cv2.multiply(frame.image, share, dst=image, scale=1 / 255)
    cv2.add(image, cv2.multiply(behind, cv2.bitwise_not(share), scale=1 / 255), dst=image)


def _read(background: str) -> Image:
    if Path(background).is_file():
        return read_image(Path(background))
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(background)[:3]
    except ValueError:
        raise InputError(
            f"background {background}: neither a picture nor a colour", "a colour is a name as 'red', or '#rrggbb'"
        ) from None
    return np.array([[[blue, green, red]]], np.uint8)


def _cover(image: Image, height: int, width: int) -> Image:
    """`image` scaled to fill (height, width), its middle kept; what of it is not seen is not scaled either."""
    scale = max(height / image.shape[0], width / image.shape[1])
    tall, wide = max(1, round(height / scale)), max(1, round(width / scale))
    top, left = (image.shape[0] - tall) // 2, (image.shape[1] - wide) // 2
    seen = image[top : top + tall, left : left + wide]
    return np.asarray(
        cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8
    )
