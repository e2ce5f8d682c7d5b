"""A picture from a file that anybody may have made: its header is believed only so far as it can be afforded."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

from streamseg.errors import InputError
from streamseg.frame import MAX_MEGAPIXELS, Image


def read_picture(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Image:
    """(H, W, 3) u8 BGR of any picture, turned as its camera says; alpha is dropped, 16 bits become 8.

    Raises:
        InputError: it cannot be read, or is larger than allowed; told from its first bytes, before decoding.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    width, height = _promised_size(path)
    check_size(width, height, str(path), max_megapixels)
    try:
        known = width > 0 and height > 0  # OpenCV reads more formats, but would judge their size by filling the memory
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) if known else None
    except (cv2.error, OSError):
        picture = None
    if picture is None:
        raise InputError(f"{path}: not a picture that can be read")
    return np.asarray(picture, np.uint8)


def _promised_size(path: Path) -> tuple[int, int]:
    """Width and height from the file's header; 0 where it has none that is known."""
    import imagesize

    try:
        width, height = imagesize.get(str(path))
    except (OSError, ValueError, struct.error):
        return 0, 0
    return max(0, int(width)), abs(int(height))  # a bitmap whose rows run downwards says so by its sign


def check_size(width: int, height: int, name: str, max_megapixels: float) -> None:
    """Refuses pictures that would fill the memory.

    Raises:
        InputError: too large.
    """
    if width * height > max_megapixels * 1e6:
        raise InputError(f"{name}: {width}x{height} is more than {max_megapixels:g} megapixels")
