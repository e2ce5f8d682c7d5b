"""Colours for class ids when a model names none: distinct for all 256, the same on every run."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GOLDEN_TURN = 0.618034
# Saturation and value change every few classes, so that hues that come close again still differ.
_TONES = ((0.75, 0.95), (0.55, 1.0), (0.9, 0.75), (0.4, 0.9), (0.8, 0.55))


def default_colours(n: int, background: int | None = None) -> NDArray[np.uint8]:
    """(n, 3) u8 BGR: hues a golden turn apart, so that neighbours differ most; the background is black."""
    colours = np.array([_colour(i) for i in range(n)], np.uint8).reshape(n, 3)
    if background is not None:
        colours[background] = 0
    return colours


def parse_colours(texts: Sequence[str]) -> NDArray[np.uint8]:
    """(n, 3) u8 BGR from RGB hex such as `#ff8000`.

    Raises:
        ValueError: one of them is no such colour.
    """
    return np.array([_parse(text) for text in texts], np.uint8).reshape(-1, 3)


def _colour(i: int) -> tuple[int, int, int]:
    saturation, value = _TONES[i // 7 % len(_TONES)]
    red, green, blue = colorsys.hsv_to_rgb((0.05 + i * _GOLDEN_TURN) % 1, saturation, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def _parse(text: str) -> tuple[int, int, int]:
    digits = text.removeprefix("#")
    if len(digits) != 6 or not digits.isascii() or not digits.isalnum():
        raise ValueError(f"colour '{text}' is not RGB hex such as '#ff8000'")
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise ValueError(f"colour '{text}' is not RGB hex such as '#ff8000'") from None
    return blue, green, red
