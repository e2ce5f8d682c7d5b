"""What a service shows of itself over HTTP; nothing can be changed there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from streamseg.serve.auth import guard
from streamseg.serve.exposition import registry
from streamseg.serve.stream import Stream
from streamseg.serve.supervisor import Streams
from streamseg.serve.viewers import FileImage, Viewers

_PAGE = Path(__file__).parent / "page"
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(streams: Streams, token: str | None, more_hosts: tuple[str, ...] = ()) -> web.Application:
    """Every route of the service, behind one guard."""
    routes = _Routes(streams)
    app = web.Application(middlewares=[guard(token, more_hosts)])
    app.router.add_get("/healthz", routes.health)
    app.router.add_get("/readyz", routes.ready)
    app.router.add_get("/metrics", routes.metrics)
    app.router.add_get("/streams", routes.listing)
    app.router.add_get("/streams/{name}.jpg", routes.still)
    app.router.add_get("/streams/{name}.mjpeg", routes.moving)
    for path, file in (("/", "page.html"), ("/page.css", "page.css"), ("/page.js", "page.js")):
        app.router.add_get(path, _file(_PAGE / file))
    return app


class _Routes:
    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._viewers = Viewers()
        self._images: dict[Stream, FileImage] = {}
        self._registry = registry(streams.now, lambda: self._viewers.count)

    async def health(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.StreamResponse:
        rows = [row(stream) for stream in self._streams.now()]
        fresh = all(one["ready"] for one in rows)
        return web.json_response({"ready": fresh, "streams": rows}, status=200 if fresh else 503)

    async def listing(self, request: web.Request) -> web.StreamResponse:
        return web.json_response([row(stream) for stream in self._streams.now()])

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        text = await asyncio.to_thread(generate_latest, self._registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def still(self, request: web.Request) -> web.StreamResponse:
        jpeg = await self._image(request).now()
        if jpeg is None:
            raise web.HTTPNotFound
        return web.Response(body=jpeg, content_type="image/jpeg")

    async def moving(self, request: web.Request) -> web.StreamResponse:
        return await self._viewers.show(self._image(request), request)

    def _image(self, request: web.Request) -> FileImage:
        stream = self._streams.find(request.match_info["name"])
        if stream is None:
            raise web.HTTPNotFound
        if stream not in self._images:
            self._images = {old: shown for old, shown in self._images.items() if not old.gone}
            self._images[stream] = FileImage(stream)
        return self._images[stream]


def row(stream: Stream) -> dict[str, object]:
    """What /readyz and /streams say of a stream."""
    reading = stream.read()
    metrics = reading.metrics
    return {
        "name": stream.name,
        "ready": reading.ready,
        "state": reading.state,
        "source": stream.source,
        "model": stream.options.model,
        "error": reading.error,
        "age_s": None if reading.age_s is None else round(reading.age_s, 3),
        "fps": round(metrics.fps, 1) if reading.state == "running" else 0.0,
        "restarts": reading.restarts,
        "events": dict(reading.events),
        "messages": {"waiting": reading.messages[0], "lost": reading.messages[1]},
        "frames": {
            "captured": metrics.captured,
            "shown": metrics.shown,
            "failed": metrics.failed,
            "dropped": dict(metrics.dropped),
            "in_flight": metrics.in_flight,
        },
        "latency_ms": {stage: [round(p50, 1), round(p95, 1)] for stage, (p50, p95) in metrics.latency_ms.items()},
    }


def _file(path: Path) -> _Handler:
    async def give(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(path)

    return give
