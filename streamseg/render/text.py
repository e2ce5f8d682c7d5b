"""Text on video: panels of lines that are drawn once and blended from then on."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamseg.errors import printable
from streamseg.frame import Image

_FONT = cv2.FONT_HERSHEY_DUPLEX
_LINE_PX = 30  # height of a line at scale 1
_DARKEN = 0.35
Colour = tuple[int, int, int]
WHITE: Colour = (245, 245, 245)
BLACK: Colour = (0, 0, 0)


def text_scale(image: Image) -> float:
    """Text is a thirtieth of the picture's height, and never too small to read."""
    return max(0.4, float(image.shape[0]) / 30 / _LINE_PX)


def put_text(image: Image, text: str, x: int, y: int, scale: float) -> None:
    """One line with its lower left corner at (x, y), readable on any ground."""
    text, weight = printable(text), max(1, round(scale * 1.6))
    corners = [(x + across, y + down, BLACK) for across in (-weight, weight) for down in (-weight, weight)]
    # Not one line of twice the weight: in OpenCV 5 that is a bolder letter, not a thicker line.
    for left, base, colour in (*corners, (x, y, WHITE)):
        cv2.putText(image, text, (left, base), _FONT, scale * 0.8, colour, weight, cv2.LINE_AA)


def make_panel(lines: Sequence[tuple[str, Colour | None]], scale: float) -> Image:
    """Lines of text on black, each with a square of its colour before it where it has one.

    Each is one line: a name of a class that comes from a file may hold anything.
    """
    lines = [(printable(text), colour) for text, colour in lines]
    pitch, margin = round(_LINE_PX * scale), round(10 * scale)
    weight = max(1, round(scale))
    indent = pitch if any(colour for _, colour in lines) else 0
    width = max((_width(text, scale, weight) for text, _ in lines), default=0)
    panel: Image = np.zeros((pitch * len(lines) + 2 * margin, width + indent + 2 * margin, 3), np.uint8)
    for row, (text, colour) in enumerate(lines):
        base = margin + row * pitch + round(pitch * 0.75)
        if colour is not None:
            side = round(pitch * 0.55)
            cv2.rectangle(panel, (margin, base - side), (margin + side, base), colour, cv2.FILLED)
        cv2.putText(panel, text, (margin + indent, base), _FONT, scale * 0.8, WHITE, weight, cv2.LINE_AA)
    return panel


def blend_panel(image: Image, panel: Image, x: int, y: int) -> None:
    """Darkens the picture under the panel and adds the text; what does not fit is left out."""
    x, y = max(0, x), max(0, y)
    part = image[y : y + panel.shape[0], x : x + panel.shape[1]]
    if part.size:
        cut = panel[: part.shape[0], : part.shape[1]]
        cv2.addWeighted(part, _DARKEN, np.ascontiguousarray(cut), 1.0, 0, dst=part)


def _width(text: str, scale: float, weight: int) -> int:
    return int(cv2.getTextSize(text, _FONT, scale * 0.8, weight)[0][0])
