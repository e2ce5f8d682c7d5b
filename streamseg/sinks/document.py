"""A file that is one whole, such as a JSON object or an XML tree, made at the end of what was found in each frame.

Until then it is a `.part` of JSON lines: a film of any length takes no memory, and what a killed run left becomes
such a file as well.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from streamseg.contracts import Existing, Shown
from streamseg.errors import OutputError
from streamseg.files import name_new, temporary_name
from streamseg.segmentation import Classes
from streamseg.sinks.linefile import LineFile, keep, recovered_name, trimmed

_log = logging.getLogger(__name__)

Record = dict[str, Any]
"""What is kept of a frame."""
Write = Callable[[bytes], object]
Compose = Callable[[list[str], Callable[[], Iterator[Record]], Write], None]
"""Writes the file from the names of the classes and the records, which may be read several times."""


class DocumentSink:
    """Writes one file; where the classes change, as with another model, it is finished and a further one begun."""

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, path: Path, compose: Compose, record: Callable[[Shown], Record], existing: Existing) -> None:
        self._path, self._compose, self._record = path, compose, record
        self._file = _Document(path, compose, replace=existing == "replace")
        self._classes: Classes | None = None

    def write(self, shown: Shown) -> None:
        """Keeps what was found in a frame.

        Raises:
            OutputError: it cannot be written, for want of space say.
        """
        classes = shown.segmentation.classes
        try:
            if self._classes is not None and classes.names != self._classes.names:
                self._file.close()
                self._file = _Document(self._path, self._compose, replace=False)
                self._classes = None
            if self._classes is None:
                self._file.write(_line({"names": list(classes.names)}))
                self._classes = classes
            self._file.write(_line(self._record(shown)))
        except OSError as error:
            if isinstance(error, FileNotFoundError):  # taken away: the next file needs the names again
                self._classes = None
            raise OutputError(f"{self._path}: {error.strerror}") from None

    def close(self) -> None:
        """Makes the file.

        Raises:
            OutputError: it cannot be written; what it is made of stays as its `.part`.
        """
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror}") from None


class _Document(LineFile):
    def __init__(self, path: Path, compose: Compose, *, replace: bool) -> None:
        super().__init__(path, replace=replace)
        self._compose = compose

    def _finish(self, whole: Path) -> None:
        made = _composed(whole, self._compose)
        try:
            super()._finish(made)
        except OSError:
            made.unlink(missing_ok=True)
            raise
        whole.unlink()

    def _recover(self) -> None:
        if not trimmed(self._part):
            return
        try:
            made = _composed(self._part, self._compose)
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):  # another program's
            keep(self._part)
            return
        kept = name_new(made, recovered_name(self._part))
        self._part.unlink()
        _log.warning("%s was cut short: kept as %s", self._part.name, kept.name)


def _composed(part: Path, compose: Compose) -> Path:
    """A whole file made of the lines in `part`, beside it."""
    made = temporary_name(part)
    try:
        with made.open("wb") as file:
            compose(next(_lines(part))["names"], lambda: _records(part), file.write)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)
        raise
    return made


def _records(part: Path) -> Iterator[Record]:
    lines = _lines(part)
    next(lines)  # the names
    return lines


def _lines(part: Path) -> Iterator[Record]:
    with part.open("rb") as file:
        for line in file:
            yield msgspec.json.decode(line, type=dict)


def _line(record: Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"
