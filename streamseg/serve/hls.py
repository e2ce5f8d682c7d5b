"""The HLS lists that a stream's outputs write: their segments, and all of a list as one file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from aiohttp import web

from streamseg.rules.event import written
from streamseg.serve.api import RecordingRow
from streamseg.serve.stored_files import drop, give, names_of, opened, send
from streamseg.serve.stream import Stream
from streamseg.serve.turns import Turns
from streamseg.sinks.hls import HLS

LIST, JOINED = "index.m3u8", "index.ts"
_SEGMENT = re.compile(r"index-\d{1,18}\.ts")
_LONGEST = 1 << 22  # bytes of a list: two days


def listed(stream: Stream) -> Iterator[RecordingRow]:
    """A row a list that is there."""
    for number, folder in enumerate(_folders(stream), 1):
        try:
            text = _text(folder)
            size = sum((folder / each).lstat().st_size for each in _segments(text))
            changed = datetime.fromtimestamp((folder / LIST).lstat().st_mtime, timezone.utc)
        except (OSError, ValueError):  # not there, or changing at this moment
            continue
        url = f"/streams/{stream.name}/hls/{number}"
        file, ended = f"{folder.name}/{LIST}", "#EXT-X-ENDLIST" in text
        yield RecordingRow(stream.name, file, ended, size, written(changed), f"{url}/{LIST}", f"{url}/{JOINED}")


def folder_of(stream: Stream, number: str) -> Path:
    """The folder of that list, counted from 1.

    Raises:
        KeyError: there is none.
    """
    for each, folder in enumerate(_folders(stream), 1):
        if str(each) == number:
            return folder
    raise KeyError(number)


async def give_part(request: web.Request, folder: Path, file: str, turns: Turns) -> web.StreamResponse:
    """The list, one of its segments, or all that it names, one behind the other.

    Raises:
        HTTPNotFound: there is none.
    """
    if file != JOINED:
        if file != LIST and not _SEGMENT.fullmatch(file):
            raise web.HTTPNotFound
        return await give(request, folder, file, turns)
    try:
        segments = _segments(await turns.do(lambda: _text(folder)))
    except (OSError, ValueError):
        raise web.HTTPNotFound from None
    response = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
    await response.prepare(request)
    for segment in segments if request.method == "GET" else ():
        try:
            with await turns.do(partial(opened, folder, segment)) as part:
                await send(request, response, part, turns)
        except (OSError, ValueError):  # it has been deleted meanwhile
            drop(request)
    return response


def _folders(stream: Stream) -> Iterator[Path]:
    return (names.folder for _, names in names_of(stream, HLS))


def _text(folder: Path) -> str:
    with opened(folder, LIST) as file:
        return file.read(_LONGEST).decode()


def _segments(text: str) -> list[str]:
    return [line for line in text.splitlines() if _SEGMENT.fullmatch(line)]
