"""The films that a stream's outputs have written, those that they are writing too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from streamseg.rules.event import written
from streamseg.serve import hls
from streamseg.serve.api import RecordingRow
from streamseg.serve.stored_files import names_of
from streamseg.serve.stream import Stream
from streamseg.sinks.segments import SEGMENTS
from streamseg.sinks.video import VIDEO


def listed(streams: Iterable[Stream], name: str, since: str, until: str, limit: int) -> list[RecordingRow]:
    """Of the stream `name`, or of all, newest first: those written to last between two moments."""
    wanted = [stream for stream in streams if name in ("", stream.name)]
    rows = (row for stream in wanted for row in (*_rows(stream), *hls.listed(stream)))
    found = [row for row in rows if row.changed >= since and (not until or row.changed <= until)]
    return sorted(found, key=lambda row: (row.changed, row.file), reverse=True)[:limit]


def folder_of(stream: Stream, file: str) -> Path:
    """The folder in which an output of `stream` writes `file`.

    Raises:
        KeyError: no output calls a file so.
    """
    for _, names in names_of(stream, VIDEO, SEGMENTS):
        if names.own().fullmatch(file.removesuffix(".part")) and (names.folder / file).is_file():
            return names.folder
    raise KeyError(file)


def _rows(stream: Stream) -> Iterator[RecordingRow]:
    for _, names in names_of(stream, VIDEO, SEGMENTS):
        own = names.own()
        for path in _files(names.folder):
            finished = path.suffix != ".part"
            if not own.fullmatch(path.name.removesuffix(".part")) or ".unplayable-" in path.name:
                continue
            try:
                status = path.lstat()
            except OSError:  # taken away meanwhile
                continue
            changed = datetime.fromtimestamp(status.st_mtime, timezone.utc)
            url = f"/streams/{stream.name}/recordings/{quote(path.name)}"
            yield RecordingRow(stream.name, path.name, finished, status.st_size, written(changed), url, url)


def _files(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if each.is_file() and not each.is_symlink()]
    except OSError:
        return []
