"""Masks from files: numbers, never colours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.imagefile.decode import decode_image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTH, _TYPE = 24, 25
"""Where a PNG says how many bits a pixel has, and of what kind they are."""
_GREY, _INDEXED = 0, 3
_COLOURS = (b"PLTE", b"tRNS", b"sBIT", b"bKGD", b"hIST", b"iCCP")

Mask = NDArray[np.uint8] | NDArray[np.uint16]


def read_mask(path: Path) -> Mask:
    """(H, W) u8 or u16: what each pixel of a mask says; of an indexed PNG, as `masks:` writes them, the index.

    Raises:
        InputError: it cannot be read as a picture, or is not one channel of whole numbers.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    indexed = data[:8] == _SIGNATURE and len(data) > _TYPE and data[_TYPE] == _INDEXED
    image: Any = decode_image(_as_grey(data) if indexed else data, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(f"{path}: cannot be read as a picture")
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        channels = 1 if image.ndim == 2 else image.shape[2]
        raise InputError(
            f"{path}: a mask is one channel of 8 bits, not {channels} channels of {image.dtype.itemsize * 8} bits"
        )
    if indexed and data[_DEPTH] < 8:
        image = image // (255 // ((1 << data[_DEPTH]) - 1))  # small numbers come stretched to the whole of a byte
    mask: Mask = image
    return mask


def is_of(mask: Path | None, picture: Path) -> bool:
    """Whether there is a `mask` that is another file than `picture`: both may lie in one folder, and be of one kind."""
    return mask is not None and not (mask.name == picture.name and mask.samefile(picture))


def black_and_white(paths: Iterable[Path]) -> bool:
    """Whether these masks hold 0 and 255 and nothing else, as paint programs write "not there" and "there".

    False where one of them cannot be read: the next reader says why.
    """
    seen: set[int] = set()
    for path in paths:
        try:
            seen |= set(np.unique(read_mask(path)).tolist())
        except InputError:
            return False
        if not seen <= {0, 255}:
            return False
    return 255 in seen


def _as_grey(png: bytes) -> bytes:
    """An indexed PNG (ISO/IEC 15948) as the grey one of the same numbers: without its palette, and said so."""
    import zlib

    head = bytearray(png[12:29])
    head[_TYPE - 12] = _GREY
    kept, place = [png[:12] + bytes(head) + zlib.crc32(head).to_bytes(4, "big")], 33
    while place + 8 <= len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] not in _COLOURS:
            kept.append(png[place:end])
        place = end
    return b"".join(kept)
