"""Who may stay where all places are taken; with a whole service: test_attacks.py."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from streamseg.serve import connections
from streamseg.serve.connections import Connections
from tests.parts.patience import PATIENCE_S

PROMISED = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"


async def read(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


def test_who_promises_a_body_that_does_not_come_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 4)

    async def run() -> None:
        made = Connections()
        app = web.Application(middlewares=[made.answering])
        app.router.add_route("*", "/", read)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await runner.setup()
        assert runner.server is not None
        listening = socket.create_server(("127.0.0.1", 0))
        accepting = asyncio.create_task(made.accept(listening, runner.server))
        place = listening.getsockname()[:2]
        clients = [await asyncio.open_connection(*place) for _ in range(12)]
        for _, writer in clients:
            writer.write(PROMISED)
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(*place)
        writer.write(PROMISED.replace(b"100", b"3") + b"abc")
        said = await asyncio.wait_for(reader.readuntil(b"abc"), PATIENCE_S)
        assert said.startswith(b"HTTP/1.1 200 ")
        accepting.cancel()
        for _, each in [*clients, (reader, writer)]:
            each.close()
        await runner.cleanup()
        listening.close()

    asyncio.run(run())
