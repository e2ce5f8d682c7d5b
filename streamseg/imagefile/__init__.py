"""Pictures from files that anybody may have made: a header is believed only so far as it can be afforded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamseg.errors import InputError
from streamseg.files import missing
from streamseg.frame import Image
from streamseg.imagefile import animation, jpegs, single, tiff
from streamseg.imagefile.contract import FileImage, ImageFile, check_size
from streamseg.imagefile.decode import decode_image, promised_size

__all__ = ["FileImage", "ImageFile", "check_size", "decode_image", "open_images", "promised_size", "read_image"]

_HEAD = 32  # bytes that tell what a file is
# Each opens what it is for, and gives None for what holds one plain picture, or is none of its own.
_OPENERS: tuple[Callable[[Path, bytes, float | None], ImageFile | None], ...] = (
    tiff.opened,
    animation.opened,
    jpegs.opened,
    single.opened,
)


def open_images(path: Path, max_megapixels: float | None = None) -> ImageFile:
    """What `path` holds: one picture, the pages of a stack or document, or an animation.

    `max_megapixels` is the limit that an option sets; without it there is one that none changes.

    Raises:
        InputError: it cannot be read, or its first picture is larger than allowed; told before it is decoded.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") if path.exists() else missing(path) from None
    for opened in _OPENERS:
        found = opened(path, head, max_megapixels)
        if found is not None:
            return found
    raise InputError(f"{path}: not a picture that can be read")


def read_image(path: Path, max_megapixels: float | None = None) -> Image:
    """(H, W, 3) u8 BGR of any picture, the first where there are several, turned as its camera says.

    Alpha is dropped; more than 8 bits become 8, by the range that the file uses.

    Raises:
        InputError: it cannot be read, or is larger than allowed; told from its first bytes, before decoding.
    """
    file = open_images(path, max_megapixels)
    try:
        return file.image(0).image
    finally:
        file.close()
