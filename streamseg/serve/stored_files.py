"""Files that outputs wrote, given with byte ranges, and from their folder alone."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from streamseg.capture import inputs_of
from streamseg.errors import InputError
from streamseg.serve.stream import Stream
from streamseg.serve.turns import Turns
from streamseg.sinks import sink_kind
from streamseg.sinks.claims import named
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.names import Names

_SLOWEST_S = 30.0
"""A client that takes no byte for that long is dropped; a player that pauses asks again."""
_CHUNK = 1 << 18
_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})", re.IGNORECASE)
_MEDIA = {
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".ts": "video/mp2t",
    ".m3u8": "application/vnd.apple.mpegurl",
}


def names_of(stream: Stream, *kinds: OutputKind) -> Iterator[tuple[str, Names]]:
    """Each output of `stream` that is of one of these kinds, and what it calls its files."""
    options = stream.options
    try:
        inputs = inputs_of(options.uri)
        outputs = named(options.outputs, options.source_text, inputs)
    except InputError:  # its source is not there
        return
    for output in outputs:
        kind = sink_kind(output)
        if any(kind is each for each in kinds) and (names := kind.names(output, inputs)) and not names.stemmed:
            yield output, names


def opened(folder: Path, name: str) -> BinaryIO:
    """The file `name` of `folder`.

    Raises:
        OSError: it is none that lies there itself: a path to another place, a link, a pipe, or nothing.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise FileNotFoundError(name)
    handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(handle, "rb", closefd=True) if stat.S_ISREG(os.fstat(handle).st_mode) else None
    if file is None:
        os.close(handle)
        raise FileNotFoundError(name)
    return file


async def give(request: web.Request, folder: Path, name: str, turns: Turns) -> web.StreamResponse:
    """That file, or the part of it that the request asks for; one that grows as long as it is now.

    Raises:
        HTTPNotFound: there is none.
    """
    media = _MEDIA.get(Path(name.removesuffix(".part")).suffix.lower())
    if media is None:
        raise web.HTTPNotFound
    try:
        file = await turns.do(lambda: opened(folder, name))
    except (OSError, ValueError):
        raise web.HTTPNotFound from None
    with file:
        size = os.fstat(file.fileno()).st_size
        headers = {"Content-Type": media, "Accept-Ranges": "bytes"}
        part = _part(request, size)
        whole, (start, stop) = part is None, part or (0, size)
        if start >= stop and not whole:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        if not whole:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        response = web.StreamResponse(status=200 if whole else 206, headers=headers)
        response.content_length = stop - start
        await response.prepare(request)
        if request.method == "GET":
            await send(request, response, file, turns, start, stop)
        return response


def _part(request: web.Request, size: int) -> tuple[int, int] | None:
    """Begin and end of what is asked for, an empty one where nothing is there; None for the whole file.

    That is given where several parts are asked for, or none can be read, to HEAD (RFC 9110, 14.2), and for `If-Range`,
    which names a state of the file that nobody was told.
    """
    found = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if found is None or "If-Range" in request.headers or request.method != "GET":
        return None
    first, last = found["first"], found["last"]
    if not first:
        return (max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


async def send(
    request: web.Request,
    response: web.StreamResponse,
    file: BinaryIO,
    turns: Turns,
    start: int = 0,
    stop: int | None = None,
) -> None:
    """Writes that part of `file` as the client takes it; one that takes nothing, or leaves, is dropped."""
    stop = os.fstat(file.fileno()).st_size if stop is None else stop
    try:
        while start < stop:
            part = await turns.do(partial(os.pread, file.fileno(), min(_CHUNK, stop - start), start))
            if not part:
                raise ConnectionError("it was cut short")
            await asyncio.wait_for(response.write(part), _SLOWEST_S)
            start += len(part)
    except (asyncio.TimeoutError, TimeoutError, OSError):
        drop(request)


def drop(request: web.Request) -> None:
    """Ends the connection as it stands, so that the client knows that something is missing."""
    if request.transport is not None:
        request.transport.abort()  # closing would wait for a buffer that nobody empties
