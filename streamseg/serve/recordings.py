"""The films that a stream's outputs have written, those that they are writing too."""

from __future__ import annotations

import heapq
import math
import os
import stat
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from streamseg.rules.event import read_time, written
from streamseg.serve import hls
from streamseg.serve.api import RecordingRow
from streamseg.serve.stored_files import names_of
from streamseg.serve.stream import Stream
from streamseg.sinks.segments import SEGMENTS
from streamseg.sinks.video import VIDEO

_PART = ".part"  # of a film that is written


class _Film(NamedTuple):
    """What is known of a film without its row; of a camera a week can have ten thousand."""

    changed_ms: int
    """Since 1970."""
    file: str
    stream: str
    size: int

    def row(self) -> RecordingRow:
        """Of a film."""
        changed = written(datetime.fromtimestamp(self.changed_ms / 1e3, timezone.utc))
        url = f"/streams/{self.stream}/recordings/{quote(self.file)}"
        return RecordingRow(self.stream, self.file, not self.file.endswith(_PART), self.size, changed, url, url)


def listed(streams: Iterable[Stream], name: str, since: str, until: str, limit: int) -> list[RecordingRow]:
    """Of the stream `name`, or of all, newest first: those written to last between two moments."""
    wanted = [stream for stream in streams if name in ("", stream.name)]
    first_ms, last_ms = _ms(since) if since else -math.inf, _ms(until) if until else math.inf
    films = (film for stream in wanted for film in _films(stream) if first_ms <= film.changed_ms <= last_ms)
    rows = [film.row() for film in heapq.nlargest(limit, films)]
    lists = (row for stream in wanted for row in hls.listed(stream))
    rows += [row for row in lists if row.changed >= since and (not until or row.changed <= until)]
    return sorted(rows, key=lambda row: (row.changed, row.file), reverse=True)[:limit]


def folder_of(stream: Stream, file: str) -> Path:
    """The folder in which an output of `stream` writes `file`.

    Raises:
        KeyError: no output calls a file so.
    """
    for _, names in names_of(stream, VIDEO, SEGMENTS):
        if names.own().fullmatch(file.removesuffix(_PART)) and (names.folder / file).is_file():
            return names.folder
    raise KeyError(file)


def _films(stream: Stream) -> Iterator[_Film]:
    for _, names in names_of(stream, VIDEO, SEGMENTS):
        own = names.own()
        for each in _entries(names.folder):
            if not own.fullmatch(each.name.removesuffix(_PART)) or ".unplayable-" in each.name:
                continue
            try:
                status = each.stat(follow_symlinks=False)
            except OSError:  # taken away meanwhile
                continue
            if stat.S_ISREG(status.st_mode):
                yield _Film(status.st_mtime_ns // 1_000_000, each.name, stream.name, status.st_size)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _ms(moment: str) -> int:
    """Since 1970, of a moment as rows have it."""
    return round(read_time(moment).timestamp() * 1e3)
