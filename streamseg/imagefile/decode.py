"""Image files as OpenCV decodes them, and the size that their headers promise."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.hostsettings import opencv_silent

_MOST_PIXELS = 1 << 28  # more than any camera has, and no more than the memory of a small machine


def decode_image(data: bytes, flags: int) -> NDArray[Any] | None:
    """What `cv2.imdecode` makes of `data`; None where that is no image, or one larger than 268 megapixels."""
    width, height = promised_size(data)
    if not data or width * height > _MOST_PIXELS:
        return None
    try:
        with opencv_silent:
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def promised_size(image: Path | bytes) -> tuple[int, int]:
    """Width and height from the header of a file or of its bytes; 0 where it has none that is known."""
    import imagesize

    try:
        width, height = imagesize.get(io.BytesIO(image) if isinstance(image, bytes) else str(image))
    except (OSError, ValueError, struct.error):
        return 0, 0
    return max(0, int(width)), abs(int(height))  # a bitmap whose rows run downwards says so by its sign
