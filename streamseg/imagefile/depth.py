"""More than 8 bits brought to 8, by the range of values that a file really uses.

What a microscope or a thermal camera writes fills a part of its 16 bits: 12 bits, say, of which the upper four of every
pixel are 0. Their upper 8 bits, which most libraries take, would be a black picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image

Values: TypeAlias = NDArray[Any]
Span: TypeAlias = tuple[float, float]
"""The values that become 0 and 255."""

SPAN_SAID = "%s: more than 8 bits: %g is shown as black, %g as white"
_BYTE = 255


def span_of(images: Iterable[Values]) -> Span | None:
    """The lowest and highest of all values; None where all have 8 bits or less."""
    low, high = np.inf, -np.inf
    for values in images:
        if values.dtype in (np.uint8, np.bool_):
            continue
        finite = values if values.dtype.kind in "iu" else values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else None


def to_bytes(values: Values, span: Span | None) -> NDArray[np.uint8]:
    """u8 of the same shape: 0 at the lower end of `span` and below, 255 at the upper and above.

    Without a span it is that of `values` themselves, black where none of them is a number. Where it is one value, 16
    bits are taken as they are: there is nothing to see in it anyway.
    """
    if values.dtype == np.bool_:
        return np.asarray(values * np.uint8(_BYTE), np.uint8)
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    if (span := span or span_of([values])) is None:
        return np.zeros(values.shape, np.uint8)
    low, high = span if span[0] < span[1] else (0.0, _full_scale(values.dtype))
    if values.dtype == np.uint16:  # a table: one look-up a pixel
        return np.asarray(_scaled(np.arange(1 << 16), low, high)[values], np.uint8)
    return _scaled(values, low, high)


def to_bgr(grey_or_bgr: NDArray[np.uint8]) -> Image:
    """(H, W, 3) of (H, W), or of what is that already."""
    image = grey_or_bgr if grey_or_bgr.ndim == 3 else np.repeat(grey_or_bgr[..., None], 3, 2)
    return np.ascontiguousarray(image, np.uint8)


def _scaled(values: Values, low: float, high: float) -> NDArray[np.uint8]:
    spread = (np.nan_to_num(values, nan=low, posinf=high, neginf=low).astype(np.float64) - low) * (_BYTE / (high - low))
    return np.asarray(np.clip(np.rint(spread), 0, _BYTE), np.uint8)


def _full_scale(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
