"""What a service shows of itself over HTTP, and where its control begins."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from aiohttp import web
from multidict import MultiMapping
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from streamseg.installing import extra
from streamseg.serve.api import Readiness, StreamRow, row
from streamseg.serve.archive import add_archive
from streamseg.serve.attempts import client_address
from streamseg.serve.control import add_control
from streamseg.serve.drawing import add_drawing
from streamseg.serve.exposition import registry
from streamseg.serve.guard import LASTS, Access, frame, guard
from streamseg.serve.live import LiveVideo
from streamseg.serve.openapi import document
from streamseg.serve.pagefiles import add_page
from streamseg.serve.picture_options import AS_IT_IS, PictureOptions, drawing, picture_options
from streamseg.serve.pictures import Pictures
from streamseg.serve.requests import LARGEST_BODY, answer, read_body, stream_of
from streamseg.serve.signin import add_sign_in
from streamseg.serve.stream import Stream
from streamseg.serve.supervisor import Streams
from streamseg.serve.viewers import MOST_VIEWERS, FileImage, Viewers, full

if TYPE_CHECKING:
    from streamseg.serve.webrtc import Peers


def make_app(streams: Streams, access: Access, load: Callable[[], str] | None = None) -> web.Application:
    """Every route of the service, behind one guard; those that change something where there is an operator.

    `load` reads the file again, and whatever else a reload is to read.
    """
    routes = _Routes(streams, access)
    app = web.Application(middlewares=[guard(access)], client_max_size=LARGEST_BODY)
    app.router.add_get("/healthz", routes.health)
    app.router.add_get("/readyz", routes.ready)
    app.router.add_get("/metrics", routes.metrics)
    app.router.add_get("/openapi.json", routes.openapi)
    app.router.add_get("/streams", routes.listing)
    app.router.add_get("/streams/{name}.jpg", routes.still)
    app.router.add_get("/streams/{name}.mjpeg", routes.moving)
    app.router.add_post("/streams/{name}/whep", routes.offer)
    app.router.add_delete("/streams/{name}/whep/{session}", routes.leave)
    app.on_shutdown.append(routes.close)
    app.on_response_prepare.append(frame)
    add_archive(app, streams)
    add_page(app)
    add_sign_in(app, access)
    if access.tokens.operators:
        add_control(app, streams, load or streams.load)
        add_drawing(app, streams)
    return app


class _Routes:
    def __init__(self, streams: Streams, access: Access) -> None:
        self._streams, self._access = streams, access
        self._viewers = Viewers()
        self._viewed: dict[Stream, ViewedStream] = {}
        self._peers: Peers | None = None
        self._registry = registry(streams.now, lambda: self._viewers.count + len(self._peers or ()))

    async def health(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.StreamResponse:
        rows = await self._rows()
        fresh = all(one.ready for one in rows)
        return answer(Readiness(fresh, rows), 200 if fresh else 503)

    async def listing(self, request: web.Request) -> web.StreamResponse:
        return answer(await self._rows())

    async def openapi(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(document())

    async def _rows(self) -> list[StreamRow]:
        return await asyncio.to_thread(lambda: [row(stream) for stream in self._streams.now()])

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        text = await asyncio.to_thread(generate_latest, self._registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def still(self, request: web.Request) -> web.StreamResponse:
        jpeg = await (await self._of(request).jpeg(request.query)).now()
        if jpeg is None:
            raise web.HTTPNotFound
        return web.Response(body=jpeg, content_type="image/jpeg")

    async def moving(self, request: web.Request) -> web.StreamResponse:
        return await self._viewers.show(await self._of(request).jpeg(request.query), request)

    async def offer(self, request: web.Request) -> web.StreamResponse:
        viewed, offer = self._of(request), (await read_body(request)).decode(errors="replace")
        if self._peers is None:
            try:
                webrtc = await asyncio.to_thread(importlib.import_module, "streamseg.serve.webrtc")
            except ImportError:
                return web.Response(status=501, text=f"WebRTC needs aiortc: {extra('webrtc')}\n")
            self._peers = self._peers or webrtc.Peers()
        if self._viewers.count + len(self._peers) >= MOST_VIEWERS:
            return full()
        session, answer = await self._peers.answer(offer, viewed.live, self._own_address(request), request[LASTS])
        place = f"{request.path}/{session}"
        return web.Response(status=201, text=answer, content_type="application/sdp", headers={"Location": place})

    async def leave(self, request: web.Request) -> web.StreamResponse:
        if self._peers is None or not await self._peers.close(request.match_info["session"]):
            raise web.HTTPNotFound
        return web.Response()

    async def close(self, app: web.Application) -> None:
        if self._peers is not None:
            await self._peers.close_all()

    def _own_address(self, request: web.Request) -> str:
        """At which address of this machine the viewer found it; past a proxy the one that leads to the viewer."""
        assert request.transport is not None, "it has been answered"
        client = client_address(request, self._access.proxies) if self._access.proxies else None
        if client is not None:
            family = socket.AF_INET if client.version == 4 else socket.AF_INET6
            with socket.socket(family, socket.SOCK_DGRAM) as way, contextlib.suppress(OSError):
                way.connect((str(client), 9))  # which sends nothing
                return str(way.getsockname()[0])
        address: str = request.transport.get_extra_info("sockname")[0]
        return address.removeprefix("::ffff:")

    def _of(self, request: web.Request) -> ViewedStream:
        stream = stream_of(request, self._streams)
        if stream not in self._viewed:
            self._viewed = {old: viewed for old, viewed in self._viewed.items() if not old.gone}
            self._viewed[stream] = ViewedStream(stream)
        return self._viewed[stream]


class ViewedStream:
    """What viewers of one stream share."""

    def __init__(self, stream: Stream) -> None:
        self._pictures = Pictures(stream)
        self.live, self._plain = LiveVideo(self._pictures), FileImage(self._pictures)
        self._images: WeakValueDictionary[PictureOptions, FileImage] = WeakValueDictionary({AS_IT_IS: self._plain})

    async def jpeg(self, query: MultiMapping[str]) -> FileImage:
        """The pictures for all who ask for the same; of others than the stream's own none are kept that nobody sees.

        Raises:
            InputError: they cannot be drawn like that.
        """
        stream = self._pictures.stream
        asked = picture_options(query, stream.latest.shown)
        if (image := self._images.get(asked)) is None:
            made = FileImage(self._pictures, await asyncio.to_thread(drawing, stream, asked))
            image = self._images.setdefault(asked, made)  # another may have come meanwhile
        return image
