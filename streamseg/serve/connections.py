"""Connections that clients make: over TLS where there is a certificate, and no more at once than there are places."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from streamseg.serve.listener import SEND_BUFFER

if TYPE_CHECKING:
    import ssl

MOST_CONNECTIONS = 256
"""File descriptors are for cameras and outputs."""
_GREETING_S = 10.0
"""A client that has not agreed on TLS by then is dropped."""
_AGAIN_S = 0.1
_HANDSHAKE = b"\x16"
_PLAIN = b"this port speaks TLS: use https://\n"
_ANSWER = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"

_log = logging.getLogger(__name__)


class Connections:
    """Those that are open. Where all places are taken, the client that has not asked to its end for longest leaves."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._waiting: dict[object, Callable[[], object]] = {}  # the longest first; what closes each
        self._busy = 0

    @web.middleware
    async def answering(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The outermost middleware: tells which clients are being answered.

        One that is to send a body keeps its place only as long as there are others: anybody may promise one.
        """
        client, sends = request.protocol, request.body_exists
        self._waiting.pop(client, None)
        if sends:
            self._wait(client)
        else:
            self._busy += 1
        try:
            return await handler(request)
        finally:
            if sends:
                self._waiting.pop(client, None)
            else:
                self._busy -= 1
            self._wait(client)

    async def accept(self, listening: socket.socket, server: web.Server) -> None:
        """Takes clients in for `server` until it is cancelled."""
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        while True:
            try:
                client, _ = await loop.sock_accept(listening)
            except OSError as error:  # it left again, or descriptors are used up
                _log.debug("no connection: %s", error)
                await asyncio.sleep(_AGAIN_S)
                continue
            if not self._room():
                client.close()
                continue
            greeting = asyncio.create_task(self._greet(client, server))
            self._waiting[greeting] = greeting.cancel

    def _room(self) -> bool:
        """Makes room for one more where there is none; False where everybody is being answered."""
        self._waiting = {each: close for each, close in self._waiting.items() if not _has_gone(each)}
        while len(self._waiting) + self._busy >= MOST_CONNECTIONS:
            if not self._waiting:
                return False
            self._waiting.pop(next(iter(self._waiting)))()
        return True

    def _wait(self, client: RequestHandler) -> None:
        if client.transport is not None:
            self._waiting[client] = client.transport.abort

    async def _greet(self, client: socket.socket, server: web.Server) -> None:
        try:
            handler = await asyncio.wait_for(self._connected(client, server), _GREETING_S)
            if handler is not None:
                self._wait(handler)
        except (OSError, asyncio.TimeoutError, TimeoutError) as error:  # errors of TLS are OSErrors
            _log.debug("no connection: %s", error)
        except asyncio.CancelledError:
            pass  # it made room for another
        finally:
            self._waiting.pop(asyncio.current_task(), None)

    async def _connected(self, client: socket.socket, server: web.Server) -> RequestHandler | None:
        """What answers the client; None where it does not speak TLS, which it is told."""
        if self._context is not None and not await _greets(client):
            return None
        loop = asyncio.get_running_loop()
        patience_s = None if self._context is None else _GREETING_S
        transport, handler = await loop.connect_accepted_socket(
            server, client, ssl=self._context, ssl_handshake_timeout=patience_s
        )
        transport.set_write_buffer_limits(high=SEND_BUFFER)  # that of TLS is eight times as large
        return handler


async def _greets(client: socket.socket) -> bool:
    """Whether the first byte of `client`, which stays to be read, begins a handshake; if not, it is closed."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    greets = False
    loop.add_reader(client, readable.set)
    try:
        await readable.wait()
        first = client.recv(1, socket.MSG_PEEK)
        greets = first == _HANDSHAKE
        if first and not greets:
            client.recv(1 << 16)  # what is left unread would take the answer away with it
            client.send(_ANSWER % (len(_PLAIN), _PLAIN))
            client.shutdown(socket.SHUT_WR)
    finally:
        loop.remove_reader(client)
        if not greets:
            client.close()
    return greets


def _has_gone(client: object) -> bool:
    if isinstance(client, RequestHandler):
        return client.transport is None
    return isinstance(client, asyncio.Task) and client.done()
