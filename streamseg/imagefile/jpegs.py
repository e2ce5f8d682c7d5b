"""JPEGs behind each other in one file, as cameras write them that call it a picture all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from streamseg.imagefile.contract import FileImage, check_bytes, check_size, unreadable
from streamseg.imagefile.decode import decode_image

_START = b"\xff\xd8\xff"
_END, _SCAN, _APP2 = 0xD9, 0xDA, 0xE2
_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # of which each names the picture's height and width
_RESTARTS = {0, *range(0xD0, 0xD8)}  # behind 0xFF within the compressed data
_OF_ONE_SHOT = b"MPF\0"  # CIPA DC-007: what follows is a preview, a gain map or the other eye's view


class JpegSeries:
    """JPEGs of one size, each read when it is asked for."""

    moving, span = False, None

    def __init__(self, path: Path, places: list[tuple[int, int]]) -> None:
        self._path, self._places = path, places
        self.count = len(places)

    def image(self, number: int) -> FileImage:
        """The picture `number`; turned by OpenCV as its own Exif says."""
        start, end = self._places[number]
        with self._path.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        image = decode_image(data, cv2.IMREAD_COLOR)
        if image is None:
            raise unreadable(f"{self._path}, picture {number + 1}")
        return FileImage(np.asarray(image, np.uint8))

    def close(self) -> None:
        """Nothing is open."""


def opened(path: Path, head: bytes, max_megapixels: float | None) -> JpegSeries | None:
    """Of two and more; None for one, and for one with its preview or gain map behind it."""
    if not head.startswith(_START):
        return None
    check_bytes(path, max_megapixels)
    data = path.read_bytes()
    found = list(_series(data)) if data.count(_START) > 1 else []
    if len(found) < 2:
        return None
    check_size(*found[0][1], str(path), max_megapixels)
    return JpegSeries(path, [place for place, _ in found])


def _series(data: bytes) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Start and end of each, and its width and height; those of the size of the first alone."""
    at, first = 0, None
    while data.startswith(_START, at):
        end, size, alone = _measure(data, at)
        if end is None or size is None or (first is not None and size != first):
            return
        first = size
        yield (at, end), size
        if alone:
            return
        at = end
        while data.startswith(b"\0", at):  # some pad to whole blocks
            at += 1


def _measure(data: bytes, at: int) -> tuple[int | None, tuple[int, int] | None, bool]:
    """Where the JPEG that starts at `at` ends, its width and height, and whether more belongs to the same shot."""
    size, alone = None, False
    at += 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _END:
            return at + 2, size, alone
        if marker == 0xFF:  # fills
            at += 1
            continue
        body, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _SIZES and body + 5 <= len(data):
            size = int.from_bytes(data[body + 3 : body + 5], "big"), int.from_bytes(data[body + 1 : body + 3], "big")
        alone = alone or (marker == _APP2 and data.startswith(_OF_ONE_SHOT, body))
        at += 2 + max(2, length)
        if marker == _SCAN:
            at = _behind_scan(data, at)
    if data[at : at + 2] == bytes((0xFF, _END)):
        return at + 2, size, alone
    return None, size, alone


def _behind_scan(data: bytes, at: int) -> int:
    """The next marker that is none of the compressed data's own."""
    while (at := data.find(b"\xff", at)) >= 0:
        if at + 1 < len(data) and data[at + 1] not in _RESTARTS:
            return at
        at += 2
    return len(data)
