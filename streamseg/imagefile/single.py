"""Files of one picture, as OpenCV reads them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from streamseg.imagefile.contract import FileImage, check_bytes, check_size, unreadable
from streamseg.imagefile.decode import decode_image, promised_size
from streamseg.imagefile.depth import Span, span_of, to_bgr, to_bytes
from streamseg.imagefile.exif import orientation, turned

_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
_DEEP_COLOURS = b"ftypavi"  # AVIF has ten bits for finer colours, not for measurements: OpenCV makes 8 of them itself


class SingleImage:
    """One picture, decoded when it is opened."""

    count, moving = 1, False

    def __init__(self, image: FileImage, span: Span | None) -> None:
        self.span, self._image = span, image

    def image(self, number: int) -> FileImage:
        """The picture."""
        return self._image

    def close(self) -> None:
        """Nothing is open."""


def opened(path: Path, head: bytes, max_megapixels: float | None) -> SingleImage:
    """Whatever OpenCV reads; InputError for anything else."""
    width, height = promised_size(path)
    check_size(width, height, str(path), max_megapixels)
    if not width or not height:  # OpenCV reads more formats, but would judge their size by filling the memory
        raise unreadable(path)
    check_bytes(path, max_megapixels)
    flags = _FLAGS & ~cv2.IMREAD_ANYDEPTH if _DEEP_COLOURS in head else _FLAGS
    try:
        values = decode_image(path.read_bytes(), flags)
    except OSError:
        values = None
    if values is None:
        raise unreadable(path)
    span = span_of([values])
    image = turned(to_bgr(to_bytes(values, span)), orientation(path))
    return SingleImage(FileImage(np.asarray(image, np.uint8)), span)
