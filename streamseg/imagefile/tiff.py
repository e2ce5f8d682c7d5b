"""TIFF: pages of documents, stacks of microscopes, 1 to 64 bits a value.

Where a page and its values are tells tifffile, which knows what microscopes write (BigTIFF, OME, and ImageJ's stacks
of one page that continue behind it). What is compressed libtiff decodes, inside OpenCV or Pillow: it gives a strip no
more room than its size, so that a small file cannot fill the memory.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.hostsettings import opencv_silent
from streamseg.imagefile.contract import FileImage, check_size, quiet, unreadable
from streamseg.imagefile.depth import Values, span_of, to_bgr, to_bytes
from streamseg.imagefile.exif import turned
from streamseg.options import MAX_MEGAPIXELS

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION, _WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE = 274, 0, 1, 2, 3
_MOST_PAGES = 100_000
_MOST_BYTES_A_PIXEL = 32  # four values of 64 bits
_LOOKED_AT = 64  # pages, spread evenly, whose values say what is black and what is white in all of them


class TiffPages:
    """The pages of a file, without previews and smaller copies; each is read when it is asked for."""

    moving = False

    def __init__(self, path: Path, file: TiffFile, max_megapixels: float | None) -> None:
        self._path, self._file, self._max_megapixels = path, file, max_megapixels
        self._pages = [page for page in map(self._page, range(self._length())) if not page.is_reduced]
        self._stack = self._behind_one_page()
        self._last: tuple[int, Values] | None = None
        self.count = len(self._pages) if self._stack is None else len(self._stack)
        if not self.count:
            raise unreadable(path)
        self.span = span_of(self._samples())

    def image(self, number: int) -> FileImage:
        """The page `number`."""
        page = self._pages[number if self._stack is None else 0]
        values = self._values(number)
        return FileImage(np.asarray(turned(self._coloured(page, values), _orientation(page)), np.uint8))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _length(self) -> int:
        pages = len(self._file.pages)
        if pages > _MOST_PAGES:
            raise InputError(f"{self._path}: {pages:,} pages are more than {_MOST_PAGES:,}")
        return pages

    def _page(self, number: int) -> TiffPage:
        page: Any = self._file.pages[number]
        return page.aspage() if hasattr(page, "aspage") else page  # type: ignore[no-any-return]

    def _samples(self) -> Iterator[Values]:
        step = max(1, self.count // _LOOKED_AT)
        for number in range(0, self.count, step):
            page = self._pages[number if self._stack is None else 0]
            if page.dtype == np.uint8 or page.photometric == _PALETTE:
                continue
            try:
                yield self._values(number)
            except InputError:
                continue  # told when its turn comes

    def _values(self, number: int) -> Values:
        """(H, W), or (H, W, 3) in the order red, green, blue; the last ones asked for are kept."""
        if self._stack is not None:
            return _channels(np.asarray(self._stack[number]), self._pages[0])
        if self._last is None or self._last[0] != number:
            self._last = number, self._decoded(number)
        return self._last[1]

    def _decoded(self, number: int) -> Values:
        page, name = self._pages[number], f"{self._path}, page {number + 1}"
        check_size(page.imagewidth, page.imagelength, name, self._max_megapixels)
        if not page.imagewidth or not page.imagelength:
            raise unreadable(name)
        if page.dtype is not None and page.dtype.kind not in "buif":
            raise InputError(f"{name}: values of the kind {page.dtype} cannot be shown")
        if page.nbytes > (self._max_megapixels or MAX_MEGAPIXELS) * 1e6 * _MOST_BYTES_A_PIXEL:
            raise InputError(f"{name}: {page.samplesperpixel} values a pixel are too many")
        for read in (_raw, _by_pillow, _by_opencv):
            try:
                values = read(self._path, page)
            except Exception:
                continue
            if values is not None and values.shape[:2] == (page.imagelength, page.imagewidth):
                return values
        raise InputError(f"{name}: cannot be read ({_name(page.compression)}, {_name(page.photometric)})")

    def _coloured(self, page: TiffPage, values: Values) -> Image:
        if page.photometric == _PALETTE and values.ndim == 2 and page.colormap is not None:
            table = np.asarray(page.colormap[::-1] >> 8, np.uint8).T
            return np.ascontiguousarray(table[np.minimum(values, len(table) - 1)])
        seen = to_bytes(values, self.span)
        if page.photometric == _WHITE_IS_0 and seen.ndim == 2:
            seen = 255 - seen
        return to_bgr(seen[..., ::-1] if seen.ndim == 3 else seen)

    def _behind_one_page(self) -> Values | None:
        """(N, ...) pages that lie behind the only one without being announced, as many as are there; not read yet.

        ImageJ writes stacks of more than 4 GB so, and tifffile where it is asked to.
        """
        file, page = self._file, self._pages[0]
        if len(self._pages) != 1 or file.is_ome or not (file.is_imagej or file.is_shaped):
            return None
        series = file.series[0]
        shape = page.imagelength, page.imagewidth, page.samplesperpixel
        one = math.prod(shape)
        if series.dataoffset is None or page.planarconfig != 1 or page.compression != 1 or series.size % one:
            return None
        check_size(page.imagewidth, page.imagelength, str(self._path), self._max_megapixels)
        kind = np.dtype(series.dtype).newbyteorder(file.byteorder)
        if kind.kind not in "buif":
            return None
        there = (self._path.stat().st_size - series.dataoffset) // (one * kind.itemsize)
        count = min(series.size // one, there)
        return np.memmap(self._path, kind, "r", series.dataoffset, (count, *shape)) if count > 1 else None


def opened(path: Path, head: bytes, max_megapixels: float | None) -> TiffPages | None:
    """A TIFF; None for anything else. InputError where it cannot be read."""
    if not head.startswith(_STARTS):
        return None
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # what is wrong is told in one line
    try:
        file = tifffile.TiffFile(path)
    except Exception:  # whatever the library makes of a damaged file
        raise unreadable(path) from None
    try:
        return TiffPages(path, file, max_megapixels)
    except InputError:
        file.close()
        raise
    except Exception:  # whatever the library makes of a damaged file
        file.close()
        raise unreadable(path) from None


def _name(number: object) -> str:
    """Of a compression or colour: tifffile's, where it knows the number."""
    return str(getattr(number, "name", number)).lower()


def _orientation(page: TiffPage) -> int:
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None and isinstance(tag.value, int) else 1


def _raw(_: Path, page: TiffPage) -> Values | None:
    """What is not compressed, in all depths and orders."""
    if page.compression != 1 or page.photometric not in (_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE):
        return None
    return _channels(page.asarray(), page)


def _channels(values: Values, page: TiffPage) -> Values:
    """(H, W) or (H, W, 3) of what a page holds: planes put behind each other, alpha dropped."""
    samples = page.samplesperpixel
    if samples > 1 and values.ndim == 3 and values.shape[0] == samples and values.shape[2] != samples:
        values = np.moveaxis(values, 0, -1)
    values = values.reshape(page.imagelength, page.imagewidth, samples)
    if page.photometric == _RGB:
        return values[..., :3]
    return values[..., 0]


def _by_opencv(path: Path, page: TiffPage) -> Values | None:
    """Colours of 16 bits, which Pillow does not know; only where versions of OpenCV agree on what they do."""
    plain = page.planarconfig == 1 and page.photometric == _RGB and _orientation(page) == 1
    if not plain or page.dtype != np.uint16:
        return None
    with opencv_silent:
        kept, found = cv2.imreadmulti(str(path), page.index, 1, flags=cv2.IMREAD_UNCHANGED)
    return found[0][..., 2::-1] if kept else None


def _by_pillow(path: Path, page: TiffPage) -> Values | None:
    import PIL.Image

    with quiet(), PIL.Image.open(path, formats=("TIFF",)) as image:
        image.seek(page.index)
        image.load()
        colours = image.mode in ("CMYK", "YCbCr", "LAB", "RGBA", "RGBX")
        values = np.asarray(image.convert("RGB") if colours else image)
        how = _orientation(page)
        if _ORIENTATION not in image.getexif():  # newer versions have turned it already
            values = turned(values, {6: 8, 8: 6}.get(how, how))
        inverted = page.photometric == _WHITE_IS_0 and values.dtype in (np.uint8, np.bool_)
        return np.invert(values) if inverted else values
