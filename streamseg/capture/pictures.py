"""One picture, a folder of pictures, or a glob; each looked at before it is decoded."""

from __future__ import annotations

import glob
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

from streamseg.contracts import SourceOptions
from streamseg.errors import InputError
from streamseg.frame import Frame, Image, StreamInfo
from streamseg.picturefile import read_picture

_log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".jp2", ".avif")


class PicturesSource:
    """Pictures in natural order (2 before 10); one of many that cannot be read is passed over and counted."""

    def __init__(self, uri: str, options: SourceOptions) -> None:
        self.counters = {"unreadable": 0}
        self._max_megapixels = options.max_megapixels
        self._step_s = 1 / (options.fps or 1.0)
        self._paths = _find(uri)
        self._closed = False
        self._first = self._read_first(uri)
        height, width = self._first.shape[:2]
        name = Path(uri).name or uri
        self.info = StreamInfo(name, width, height, options.fps, live=False, moving=False, frames=len(self._paths))

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        for path in self._paths:
            if self._closed:
                return
            try:
                picture = self._first if index == 0 else read_picture(path, self._max_megapixels)
            except InputError as error:
                self._pass_over(error)
                continue
            yield Frame(picture, index, index * self._step_s, time.monotonic(), self.info.name)
            index += 1

    def close(self) -> None:
        """Ends the iteration before the next picture."""
        self._closed = True

    def _read_first(self, uri: str) -> Image:
        """The first readable picture; those before it are given up here, so that the size is known."""
        while self._paths:
            try:
                return read_picture(self._paths[0], self._max_megapixels)
            except InputError as error:
                if len(self._paths) == 1 and not self.counters["unreadable"]:
                    raise
                self._pass_over(error)
                self._paths.pop(0)
        raise InputError(f"{uri}: none of the {self.counters['unreadable']} pictures can be read")

    def _pass_over(self, error: InputError) -> None:
        self.counters["unreadable"] += 1
        _log.warning("%s: passed over", error)


def _find(uri: str) -> list[Path]:
    path = Path(uri)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [each for each in path.iterdir() if each.suffix.lower() in SUFFIXES and each.is_file()]
        if not found:
            raise InputError(
                f"{uri}: no pictures in this folder", f"it may hold {', '.join(SUFFIXES[:4])} and the like"
            )
    elif glob.has_magic(uri):
        matches = glob.glob(uri, recursive=True)  # noqa: PTH207 - unlike Path's own, it takes absolute patterns
        found = [each for each in map(Path, matches) if each.is_file()]
        if not found:
            raise InputError(f"{uri}: no file matches")
    else:
        raise InputError(f"{uri}: no such file")
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", str(path))
    return [(1, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in parts]
