"""The routes that change something, for holders of an operator's token; each change leaves one line in the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from streamseg.errors import InputError, OutputError, printable
from streamseg.prompts import Clear
from streamseg.redaction import redact, shown
from streamseg.serve.api import Done, NewStream, Pointed, Refused, Written
from streamseg.serve.guard import WHO
from streamseg.serve.requests import answer, read_json
from streamseg.serve.sitefile import ConflictError
from streamseg.serve.stream import Stream
from streamseg.serve.supervisor import Edit, Streams
from streamseg.serve.turns import Turns
from streamseg.validation import MisfitError, fit
from streamseg.yamledit import patched

_log = logging.getLogger(__name__)
_REFUSALS = (InputError, OutputError, MisfitError, KeyError)  # a KeyError where there is no such stream
_STATUS = {KeyError: 404, ConflictError: 409, OutputError: 500}


def add_control(app: web.Application, streams: Streams, load: Callable[[], str]) -> None:
    """Adds the routes to `app`, whose guard has to have looked at every request; `load` reads all again."""
    routes = _Control(streams)
    app.router.add_get("/streams/{name}", _refusing(routes.written))
    for method, path, handler in (
        ("POST", "/streams", routes.add),
        ("PATCH", "/streams/{name}", routes.change),
        ("DELETE", "/streams/{name}", routes.remove),
        ("POST", "/streams/{name}/stop", routes.named("stop", streams.stop)),
        ("POST", "/streams/{name}/start", routes.named("start", streams.start)),
        ("POST", "/streams/{name}/restart", routes.named("restart", streams.restart)),
        ("POST", "/streams/{name}/prompts", routes.point),
        ("DELETE", "/streams/{name}/prompts", routes.named("clear", lambda name: streams.ask(name, Clear()))),
        ("POST", "/reload", routes.whole("reload", load)),
        ("POST", "/undo", routes.whole("undo", streams.undo)),
    ):
        app.router.add_route(method, path, _refusing(handler))


class _Control:
    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._turns = Turns()

    async def written(self, request: web.Request) -> web.StreamResponse:
        if not request[WHO]:
            raise web.HTTPForbidden
        name = _name(request)
        return answer(Written(name, _without_secrets(await asyncio.to_thread(self._streams.written, name))))

    async def add(self, request: web.Request) -> web.StreamResponse:
        new = fit(await read_json(request), NewStream)
        edit = _edit(new.name, new.options, there=False)
        what = f"add {new.name} ({_keys(new.options)})"
        return await self._do(request, what, lambda: self._streams.change(edit), 201)

    async def change(self, request: web.Request) -> web.StreamResponse:
        name, options = _name(request), fit(await read_json(request), dict[str, Any])
        edit = _edit(name, options, there=True)
        return await self._do(request, f"change {name} ({_keys(options)})", lambda: self._streams.change(edit))

    async def remove(self, request: web.Request) -> web.StreamResponse:
        name = _name(request)
        edit = _edit(name, None, there=True)
        return await self._do(request, f"remove {name}", lambda: self._streams.change(edit))

    async def point(self, request: web.Request) -> web.StreamResponse:
        name = _name(request)
        stream = self._streams.find(name)
        seen = stream.latest.shown if stream else None  # what the viewer saw, or one that is hardly newer
        pointed = fit(await read_json(request), Pointed)
        prompt = pointed.prompt(seen.frame.index if seen else None)
        how = "box" if pointed.box else "click" if pointed.adds else "click away"
        return await self._do(request, f"point {name} ({how})", lambda: self._streams.ask(name, prompt))

    def named(self, what: str, act: Callable[[str], str]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            name = _name(request)
            return await self._do(request, f"{what} {name}", lambda: act(name))

        return handle

    def whole(self, what: str, act: Callable[[], str]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._do(request, what, act)

        return handle

    async def _do(
        self, request: web.Request, what: str, act: Callable[[], str], status: int = 200
    ) -> web.StreamResponse:
        """Runs `act` in a thread, which writes its line even where the client has left."""
        who = request[WHO]

        def audited() -> str:
            try:
                done = act()
            except _REFUSALS as error:
                _log.warning("%s: %s: refused: %s", who, printable(what), _why(error))
                raise
            _log.info("%s: %s: %s", who, printable(what), done)
            return done

        return answer(Done(await self._turns.do(audited)), status)


def _refusing(handler: Handler) -> Handler:
    """`handler`, which answers what is wrong by a line and the status that belongs to it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except _REFUSALS as error:
            status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 422)
            return answer(Refused(_why(error)), status)

    return handle


def _edit(name: str, options: Mapping[str, Any] | None, *, there: bool) -> Edit:
    """Merges `options` into the stream `name`, which must be `there` or must not, or takes it away for None."""

    def edit(text: str, file: str, streams: Mapping[str, Stream]) -> str:
        if there and name not in streams:
            raise KeyError(name)
        if name in streams and not there:
            raise ConflictError(
                f"there is a stream {name} already", f"change it: streamseg ctl change {name} KEY=VALUE"
            )
        return patched(text, ("streams",), {name: options}, file)

    return edit


def _name(request: web.Request) -> str:
    return request.match_info["name"]


def _keys(options: Mapping[str, Any]) -> str:
    """What is changed, by its keys alone: values may be secret."""
    return redact(", ".join(options))[:200]


def _why(error: Exception) -> str:
    return f"no stream {printable(error.args[0])}" if isinstance(error, KeyError) else redact(str(error))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    return shown(value) if isinstance(value, str) else value
