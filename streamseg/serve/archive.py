"""The routes to what is kept: events with their pictures and clips, and recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from streamseg.errors import InputError
from streamseg.serve import events, hls, recordings
from streamseg.serve.queries import MOST_ROWS, USUAL_ROWS
from streamseg.serve.requests import answer, stream_of
from streamseg.serve.stored_files import give
from streamseg.serve.stream import Stream
from streamseg.serve.supervisor import Streams
from streamseg.serve.turns import Turns

_FILES_AT_ONCE = 2
"""A disk that hangs, a share on the network say, holds a thread for each."""


def add_archive(app: web.Application, streams: Streams) -> None:
    """Adds the routes to `app`."""
    routes = _Archive(streams)
    app.router.add_get("/events", routes.events)
    app.router.add_get("/recordings", routes.recordings)
    app.router.add_get("/streams/{name}/events/{file}", routes.event_file)
    app.router.add_get("/streams/{name}/recordings/{file}", routes.recording_file)
    app.router.add_get("/streams/{name}/hls/{list}/{file}", routes.list_file)


class _Archive:
    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._turns, self._files = Turns(), Turns(_FILES_AT_ONCE)

    async def events(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        asked = events.EventQuery(
            query.get("stream", ""),
            query.get("rule", ""),
            query.get("class", ""),
            events.moment(query.get("from", "")),
            events.moment(query.get("to", "")),
            _limit(request),
        )
        return answer(await self._turns.do(lambda: events.listed(self._streams.now(), asked)))

    async def recordings(self, request: web.Request) -> web.StreamResponse:
        query, limit = request.query, _limit(request)
        name, since, until = query.get("stream", ""), query.get("from", ""), query.get("to", "")
        between = events.moment(since), events.moment(until)
        return answer(await self._turns.do(lambda: recordings.listed(self._streams.now(), name, *between, limit)))

    async def event_file(self, request: web.Request) -> web.StreamResponse:
        return await self._file(request, events.folder_of)

    async def recording_file(self, request: web.Request) -> web.StreamResponse:
        return await self._file(request, recordings.folder_of)

    async def list_file(self, request: web.Request) -> web.StreamResponse:
        folder = await self._folder(request, hls.folder_of, request.match_info["list"])
        return await hls.give_part(request, folder, request.match_info["file"], self._files)

    async def _file(self, request: web.Request, find: Callable[[Stream, str], Path]) -> web.StreamResponse:
        file = request.match_info["file"]
        return await give(request, await self._folder(request, find, file), file, self._files)

    async def _folder(self, request: web.Request, find: Callable[[Stream, str], Path], of: str) -> Path:
        stream = stream_of(request, self._streams)
        try:
            return await self._files.do(lambda: find(stream, of))
        except (KeyError, OSError, ValueError):
            raise web.HTTPNotFound from None


def _limit(request: web.Request) -> int:
    text = request.query.get("limit") or str(USUAL_ROWS)
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MOST_ROWS):
        raise InputError(f"limit: expected 1 to {MOST_ROWS}")
    return int(text)
