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

from streamseg.coco import MaskFormat
from streamseg.contracts import Controls, Existing, Inputs, Shown
from streamseg.errors import InputError
from streamseg.files import name_new, temporary_name, writing
from streamseg.frame import StreamInfo
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.linefile import LineFile, keep, trimmed
from streamseg.sinks.names import Names, literal
from streamseg.sinks.part import recovered_name
from streamseg.sinks.query import split_query

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
        self._path, self._record = path, record
        self._file = _Document(path, compose, replace=existing == "replace")

    def write(self, shown: Shown) -> None:
        """Keeps what was found in a frame.

        Raises:
            OutputError: it cannot be written, for want of space say.
        """
        head = _line({"names": list(shown.segmentation.classes.names)})
        with writing(self._path):
            self._file.write(_line(self._record(shown)), head)

    def close(self) -> None:
        """Makes the file.

        Raises:
            OutputError: it cannot be written; what it is made of stays as its `.part`.
        """
        with writing(self._path):
            self._file.close()


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


def document_kind(
    word: str, suffix: str, compose: Compose, record: Callable[[Shown, MaskFormat], Record]
) -> OutputKind:
    """The kind of output `WORD:FILE?masks=rle`, a file of that suffix made of the `record` of each frame."""
    forms: dict[str | None, MaskFormat] = {None: "rle", "rle": "rle", "polygon": "polygon"}

    def asked(uri: str) -> tuple[Path, MaskFormat]:
        """Raises InputError where there is no file, or no such form of masks."""
        name, given = split_query(uri.removeprefix(f"{word}:"), ("masks",))
        masks = forms.get(given.get("masks"))
        if not name or masks is None:
            raise InputError(f"{uri}: needs a file, and masks as rle or polygon", f"{word}:FILE?masks=polygon")
        return Path(name), masks

    def opened(uri: str, info: StreamInfo, controls: Controls, existing: Existing) -> DocumentSink:
        path, masks = asked(uri)
        return DocumentSink(path, compose, lambda shown: record(shown, masks), existing)

    def names(uri: str, inputs: Inputs) -> Names:
        return literal(str(asked(uri)[0]))

    return OutputKind(
        forms=f"{word}:FILE{suffix}", means=lambda uri: uri.startswith(f"{word}:"), open=opened, names=names
    )
