"""A proxy on this machine between FFmpeg and an RTSP camera.

FFmpeg understands what cameras send, but goes wherever a camera sends it, user and password with it, and knows few
ways to log in. So it gets the address of this proxy and no login, and the proxy talks to the one server that a person
named. Packets pass as they are.
"""

from __future__ import annotations

import contextlib
import contextvars
import secrets
import selectors
import socket
import threading

from streamseg.capture.rtsprelay import Relay
from streamseg.errors import SourceError
from streamseg.net.connection import connect, trouble
from streamseg.net.rtspmessages import Message, Parser
from streamseg.net.urls import Address

_CHUNK = 1 << 16
_ACCEPT_S = 5.0  # FFmpeg connects as soon as it knows the address


class RtspProxy:
    """An address for FFmpeg, `url`, behind which is the camera at `address`; until `close`.

    Raises:
        SourceError: there is no such server, or it does not answer.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        try:
            self._camera = connect(address, timeout_s)
        except OSError as error:
            what, hint, away = trouble(error, address)
            raise SourceError(f"{address.name}: {what}", hint, away=away) from None
        # The camera's own family, because over UDP its packets come to sockets that FFmpeg opens beside this one.
        family = self._camera.family
        local, written = ("::1", "[::1]") if family == socket.AF_INET6 else ("127.0.0.1", "127.0.0.1")
        self._listener = socket.create_server((local, 0), family=family)
        self._listener.settimeout(_ACCEPT_S)
        self._player: socket.socket | None = None
        # Others on this machine can connect as well, but do not know the path.
        self.url = f"rtsp://{written}:{self._listener.getsockname()[1]}/{secrets.token_hex(16)}"
        self._relay = Relay(self.url, address, str(self._camera.getpeername()[0]))
        context = contextvars.copy_context()  # so that its log lines belong to its stream
        self._thread = threading.Thread(
            target=context.run, args=(self._work,), name="streamseg-rtsp-proxy", daemon=True
        )
        self._thread.start()

    @property
    def failure(self) -> SourceError | None:
        """Why there is no stream, as far as that is the camera's doing."""
        return self._relay.failure or self._relay.refusal

    @property
    def unanswered(self) -> SourceError | None:
        """Why there is no stream where the camera leaves a request of FFmpeg's without an answer."""
        return self._relay.unanswered

    def close(self) -> None:
        """Ends both connections; may be called twice, and from any thread."""
        for each in (self._listener, self._camera, self._player):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._thread.join(1.0)

    def _work(self) -> None:
        with self._listener, self._camera:
            try:
                self._player, asks, first = self._accept()
                self._pass(self._player, asks, first)
            except OSError as error:
                self._relay.ended(error)
            finally:
                if self._player is not None:
                    self._player.close()

    def _accept(self) -> tuple[socket.socket, Parser, list[Message | bytes]]:
        """FFmpeg's connection, and what it said first."""
        asks = Parser()
        while True:
            player, _ = self._listener.accept()
            player.settimeout(_ACCEPT_S)
            player.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError):  # a stranger's
                first = list(asks.feed(player.recv(_CHUNK)))
                if first and isinstance(first[0], Message) and first[0].words[1].startswith(self.url):
                    self._listener.close()
                    player.settimeout(None)  # it reads as fast as frames are wanted
                    return player, asks, first
            player.close()
            asks = Parser()

    def _pass(self, player: socket.socket, asks: Parser, first: list[Message | bytes]) -> None:
        """Hands on what either side says, until one of them leaves or the camera may not be followed."""
        camera, relay, answers = self._camera, self._relay, Parser()
        for item in first:
            camera.sendall(relay.asked(item))
        with selectors.DefaultSelector() as ready:
            ready.register(player, selectors.EVENT_READ)
            ready.register(camera, selectors.EVENT_READ)
            while relay.failure is None:
                for side in [key.fileobj for key, _ in ready.select()]:
                    data = _received(side)  # type: ignore[arg-type]  # both are sockets
                    if not data:
                        return None if side is player else relay.ended()
                    if side is player:
                        for item in asks.feed(data):
                            camera.sendall(relay.asked(item))
                        continue
                    for item in answers.feed(data):
                        back, on = relay.answered(item)
                        camera.sendall(back)
                        player.sendall(on)


def _received(side: socket.socket) -> bytes:
    """What is there; of an encrypted connection also what is decrypted already, for which nobody would wake us."""
    data = side.recv(_CHUNK)
    while decrypted := getattr(side, "pending", int)():
        data += side.recv(decrypted)
    return data
