"""Object numbers as a TIFF: a page a frame, so that a stack gives a stack (TIFF 6.0, BigTIFF)."""

from __future__ import annotations

import contextlib
import logging
import os
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import Existing, Shown
from streamseg.errors import InputError, OutputError
from streamseg.files import Folder, make_folder
from streamseg.frame import StreamInfo
from streamseg.regions import things
from streamseg.sinks.kind import OutputKind, suffix_of
from streamseg.sinks.names import Names
from streamseg.sinks.part import give_name, in_use, locked, part_of, reason, recovered_name, taken
from streamseg.sinks.query import split_query

if TYPE_CHECKING:
    import tifffile
    from typing_extensions import Buffer

_log = logging.getLogger(__name__)
_MOST = np.iinfo(np.uint16).max


class LabelsSink:
    """Writes the number of the object at each pixel, 0 where there is none: a page a frame, a file for each file.

    Numbers are those of the rows in `objects.csv`: from 1 in each frame. Where objects overlap the surest is on top.
    """

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, uri: str, info: StreamInfo, *, existing: Existing = "refuse") -> None:
        self._uri, self._names, self._pixel_um = uri, _names(uri), info.pixel_um
        self._folder = Folder(self._names.folder)
        self._replace = existing == "replace"
        self._file: _Stack | None = None
        self._of = ""

    def write(self, shown: Shown) -> None:
        """Adds a page.

        Raises:
            OutputError: it cannot be written; the pages before stay readable.
        """
        page = numbers(shown)
        try:
            if self._file is not None and shown.frame.file != self._of:
                self._end()
            if self._file is None:
                self._file, self._of = self._begin(shown), shown.frame.file
            self._file.add(page, self._pixel_um)
        except (OSError, ValueError) as error:
            raise self._lost(error) from None

    def close(self) -> None:
        """Gives the last file its name.

        Raises:
            OutputError: its end cannot be written.
        """
        try:
            self._end()
        except (OSError, ValueError) as error:
            raise self._lost(error) from None

    def _begin(self, shown: Shown) -> _Stack:
        self._folder.make()
        path = self._names.path(file=shown.frame.file)
        if not path.parent.is_dir():
            make_folder(path.parent)
        return _Stack(path, replace=self._replace)

    def _end(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.finish()

    def _lost(self, error: Exception) -> OutputError:
        file, self._file = self._file, None
        if file is not None:
            file.abandon()
        return OutputError(f"{self._uri}: {reason(error)}")


class _Stack:
    """A file of pages; `.part`, and locked against other runs, until it is whole."""

    def __init__(self, path: Path, *, replace: bool) -> None:
        import tifffile

        self._path, self._part, self._replace = path, part_of(path), replace
        if in_use(self._part):
            raise taken()
        if self._part.exists() and not self._part.stat().st_size:
            self._part.unlink()
        elif self._part.exists():
            kept = recovered_name(self._part)
            self._part.rename(kept)
            _log.warning("%s was cut short: kept as %s", self._part.name, kept.name)
        self._raw = _WholePages(self._part)
        locked(self._raw)
        self._pages: tifffile.TiffWriter = tifffile.TiffWriter(self._raw, bigtiff=True)

    def add(self, page: NDArray[np.uint16], pixel_um: float | None) -> None:
        """Writes a page, so that a reader finds it whatever happens next."""
        per_cm = None if pixel_um is None else (1e4 / pixel_um,) * 2
        unit = None if pixel_um is None else "CENTIMETER"
        self._pages.write(
            page, photometric="minisblack", compression="zlib", metadata=None, contiguous=False,
            resolution=per_cm, resolutionunit=unit, software="streamseg",
        )  # fmt: skip
        self._raw.commit()

    def finish(self) -> None:
        self._pages.close()
        self._raw.commit()
        with self._raw:
            os.fsync(self._raw.fileno())
            give_name(self._part, self._path, replace=self._replace)

    def abandon(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._pages.close()
        self._raw.close()
        _log.info("%s holds what was written until now", self._part)


class _WholePages(FileIO):
    """A new file that grows by whole pages: what refers to a page is written behind it, or not at all.

    tifffile writes a reference first, and a page that a kill or a full disk cut off would make the others unreadable.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self._held: list[tuple[int, bytes]] = []
        """What was written since the last page, and where."""
        self._place = self._length = self._end = 0
        """Where the next goes; how long the file will be, and is."""

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}[whence]
        return self._place

    def write(self, data: Buffer, /) -> int:
        held = bytes(data)
        self._held.append((self._place, held))
        self._place += len(held)
        self._length = max(self._length, self._place)
        return len(held)

    def commit(self) -> None:
        """Writes what is held; OSError where that cannot be done, and then nothing of it."""
        page = bytearray(self._length - self._end)
        for place, data in self._held:
            if place >= self._end:
                page[place - self._end : place - self._end + len(data)] = data
        try:
            self._put(page, self._end)
        except OSError:
            self.truncate(self._end)
            raise
        for place, data in self._held:
            if place < self._end:
                self._put(data, place)
        self._held, self._end = [], self._length

    def _put(self, data: bytes | bytearray, place: int) -> None:
        done = 0
        while done < len(data):
            done += os.pwrite(self.fileno(), memoryview(data)[done:], place + done)


def numbers(shown: Shown) -> NDArray[np.uint16]:
    """(H, W) u16 of a frame: the number of the object, or connected part of a class, from 1; 0 is none of them.

    Raises:
        OutputError: there are more than 65535.
    """
    size = (shown.frame.height, shown.frame.width)
    found = things(shown.segmentation, size)
    if len(found) > _MOST:
        raise OutputError(f"{len(found)} objects in a frame: their numbers do not fit in 16 bits")
    plane = np.zeros(size, np.uint16)
    for index in np.argsort([region.score for region in found], kind="stable").tolist():
        window = found[index].window
        window.of(plane)[window.mask] = index + 1
    return plane


def _names(uri: str) -> Names:
    """Raises InputError where a name holds anything but `{stem}`."""
    names = Names(split_query(uri.removeprefix("labels:"), ())[0])
    if names.numbered or names.timed:
        raise InputError(f"{uri}: a file of labels holds all frames; {{stem}} alone may stand in its name")
    return names


LABELS = OutputKind(
    forms="labels.tif",
    means=lambda uri: uri.startswith("labels:") or suffix_of(uri) == ".tif",
    open=lambda uri, info, controls, existing: LabelsSink(uri, info, existing=existing),
    names=lambda uri, inputs: _names(uri),
    images=True,
    patterns=True,
)
