"""The routes for drawing zones and lines on a picture; what is drawn is saved as any other change of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from streamseg.errors import InputError
from streamseg.rules.shapes import Line, Polygon, is_name
from streamseg.serve.api import Drawn
from streamseg.serve.guard import WHO
from streamseg.serve.lastminute import LastMinute
from streamseg.serve.requests import answer, stream_of
from streamseg.serve.stream import Stream
from streamseg.serve.supervisor import Streams
from streamseg.serve.turns import Turns

_MOST = 20
"""Shapes that one request tries."""


def add_drawing(app: web.Application, streams: Streams) -> None:
    """Adds the routes to `app`; for operators alone, since trying costs time of the machine."""
    routes = _Drawing(streams)
    app.router.add_get("/streams/{name}/zones", routes.zones)
    app.router.add_get("/streams/{name}/trial", routes.trial)


class _Drawing:
    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._minutes: dict[Stream, LastMinute] = {}
        self._turns = Turns()

    async def zones(self, request: web.Request) -> web.StreamResponse:
        stream = self._asked(request)
        if (shown := stream.latest.shown) is None:
            raise web.HTTPNotFound
        own = await asyncio.to_thread(self._streams.written, stream.name)
        height, width = shown.frame.height, shown.frame.width
        zones, lines = stream.options.zones, stream.options.lines
        inherited = [key for key, there in (("zones", zones), ("lines", lines)) if there and key not in own]
        return answer(Drawn(_fractions(zones, width, height), _fractions(lines, width, height), inherited))

    async def trial(self, request: web.Request) -> web.StreamResponse:
        """Raises InputError where a shape is none."""
        stream = self._asked(request)  # which may put another table in the place of the one below
        minute = self._minutes[stream]
        zones: dict[str, Polygon] = {}
        lines: dict[str, Line] = {}
        if len(request.query) > _MOST:
            raise InputError(f"expected {_MOST} zones and lines at most")
        for kind, text in request.query.items():
            name, _, points = text.partition("=")
            if kind not in ("zone", "line") or not is_name(name):
                raise InputError("expected zone=NAME=POINTS or line=NAME=POINTS")
            try:
                if kind == "zone":
                    zones[name] = Polygon(points)
                else:
                    lines[name] = Line(points)
            except ValueError as error:
                raise InputError(f"{name}: {error}") from None
        return answer(await self._turns.do(lambda: minute.counted(zones, lines)))

    def _asked(self, request: web.Request) -> Stream:
        """The stream that is named, whose results are kept from now on."""
        if not request[WHO]:
            raise web.HTTPForbidden
        stream = stream_of(request, self._streams)
        if stream not in self._minutes:
            self._minutes = {old: minute for old, minute in self._minutes.items() if not old.gone}
            self._minutes[stream] = LastMinute(stream.latest)
        self._minutes[stream].ask()
        return stream


def _fractions(shapes: Mapping[str, Any], width: int, height: int) -> dict[str, list[tuple[float, float]]]:
    def share(place: float, of: int) -> float:
        return round(min(1.0, place / of), 4)

    return {
        name: [(share(x, width), share(y, height)) for x, y in shape.pixels(width, height).tolist()]
        for name, shape in shapes.items()
    }
