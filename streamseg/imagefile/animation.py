"""Animations (GIF, APNG, animated WebP and AVIF) and the pictures of telephones (HEIF), as Pillow reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamseg import installing
from streamseg.errors import InputError
from streamseg.imagefile.contract import FileImage, check_bytes, check_size, quiet, unreadable
from streamseg.imagefile.exif import orientation_of, turned
from streamseg.options import MAX_MEGAPIXELS

if TYPE_CHECKING:
    import PIL.Image

_FORMATS = ("GIF", "PNG", "WEBP", "AVIF", "HEIF")
_READ_WHOLE = ("WEBP", "AVIF", "HEIF")  # by Pillow, when it opens them
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}
_SHORTEST_MS, _USUAL_MS = 20, 100  # what says it lasts less is shown for as long as browsers show it


class Animation:
    """The pictures of one file, each as it is to be seen: put together with those before it where it is a part."""

    span = None

    def __init__(self, path: Path, image: PIL.Image.Image) -> None:
        self._path, self._source, self._how = path, image, orientation_of(image)
        self._first = int(bool(image.info.get("default_image")))  # for who cannot show the animation of a PNG
        self.count = max(1, getattr(image, "n_frames", 1) - self._first)
        self.moving = image.format != "HEIF" and self.count > 1

    def image(self, number: int) -> FileImage:
        """The picture `number`."""
        try:
            with quiet():
                self._source.seek(number + self._first)
                image = np.asarray(self._source.convert("RGB"), np.uint8)
                lasts_ms = float(self._source.info.get("duration") or 0)
        except Exception:  # whatever a library makes of a damaged file
            raise unreadable(f"{self._path}, picture {number + 1}") from None
        lasts_s = (lasts_ms if lasts_ms >= _SHORTEST_MS else _USUAL_MS) / 1e3
        upright = turned(image[..., ::-1], self._how)
        return FileImage(np.ascontiguousarray(upright, np.uint8), lasts_s if self.moving else None)

    def close(self) -> None:
        """Closes the file."""
        self._source.close()


def opened(path: Path, head: bytes, max_megapixels: float | None) -> Animation | None:
    """An animation, or a picture that only Pillow reads; None for what OpenCV reads better."""
    kind = _kind(head)
    if kind is None:
        return None
    if kind == "HEIF":
        _know_heif(path)
    if kind in _READ_WHOLE:  # many pictures, each of which may be smaller than the limit
        check_bytes(path, max_megapixels and max(max_megapixels, MAX_MEGAPIXELS))
    import PIL.Image

    try:
        with quiet():
            image = PIL.Image.open(path, formats=_FORMATS)
        several = getattr(image, "n_frames", 1) > 1
    except Exception:  # whatever a library makes of a damaged file
        if kind in ("GIF", "HEIF"):
            raise unreadable(path) from None
        return None  # OpenCV may read it
    if not several and kind in ("PNG", "WEBP"):
        image.close()
        return None
    try:
        check_size(*image.size, str(path), max_megapixels)
    except InputError:
        image.close()
        raise
    return Animation(path, image)


def _kind(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"GIF8"):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        brands = {head[at : at + 4] for at in (8, *range(16, len(head), 4))}
        return "AVIF" if brands & _AVIF else "HEIF" if brands & _HEIF else None
    return None


def _know_heif(path: Path) -> None:
    try:
        import pillow_heif
    except ImportError:
        raise InputError(
            f"{path}: pictures of this kind (HEIF) need one more package", installing.package("pillow-heif")
        ) from None
    pillow_heif.register_heif_opener()
