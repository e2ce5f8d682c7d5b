"""RTSP as a publisher speaks it (RFC 2326), over one TCP connection.

FFmpeg's own muxer is not used: it ignores errors of a connection that fell silent, and stops every thread of the
process while it connects. Here each step has a time limit, and nobody else waits.
"""

from __future__ import annotations

import contextlib
import random
import struct
import time
from collections.abc import Iterator, Sequence

from streamseg.errors import OutputError
from streamseg.net.connection import connect, has_come, trouble
from streamseg.net.rtspclient import RefusedError, Request, RtspClient
from streamseg.net.rtspmessages import Message, Parser
from streamseg.net.urls import Address
from streamseg.sinks.rtp import H264, PAYLOAD, Carried, description, payloads

_TIMEOUT_S = 3.0
_ALIVE_EVERY_S = 20.0
_HEADER = struct.Struct(">cBHBBHII")
_MOST_READS = 100  # whatever the other side sends


class Publisher:
    """A connection on which `address` is being published.

    Args:
        address: where to publish, with user and password where the server wants them.
        parameters: what decoders need, which the server is told before the first picture; None only asks what the
            server can, since whatever is announced would end what others publish there.
        carried: their codec.

    Raises:
        OutputError: the server cannot be reached, does not answer, or does not want it.
    """

    def __init__(self, address: Address, parameters: Sequence[bytes] | None, carried: Carried = H264) -> None:
        self._name, self._client, self._parser = address.name, RtspClient(address), Parser()
        self._session, self._carried = "", carried
        self._alive: tuple[str, Request] | None = None  # the last request that only shows that we are here
        # RFC 3550 lets all three begin anywhere, and FFmpeg takes a time of 0 for none.
        self._number, self._ssrc, self._first_ticks = (random.getrandbits(bits) for bits in (16, 32, 31))
        self._alive_s = time.monotonic()
        with self._told_apart():
            self._socket = connect(address, _TIMEOUT_S)
        try:
            with self._told_apart():
                if parameters is None:
                    self._ask(self._request("OPTIONS"))
                else:
                    self._begin(parameters)
        except BaseException:
            self.close()
            raise

    def send(self, units: Sequence[bytes], ticks: int) -> None:
        """Sends the units of one picture, whose time is `ticks` of 1/90000 s.

        Raises:
            OutputError: the connection broke, or nothing could be sent for three seconds.
        """
        cut = list(payloads(units, self._carried))
        last = len(cut) - 1
        framed = b"".join(self._packet(payload, ticks, last=at == last) for at, payload in enumerate(cut))
        with self._told_apart():
            self._listen()
            self._socket.sendall(framed)

    def _packet(self, payload: bytes, ticks: int, *, last: bool) -> bytes:
        """An RTP packet as it stands between RTSP's own lines: `$`, channel, length, header."""
        self._number = (self._number + 1) & 0xFFFF
        ticks = (self._first_ticks + ticks) & 0xFFFFFFFF
        kind = PAYLOAD | last << 7
        return _HEADER.pack(b"$", 0, 12 + len(payload), 0x80, kind, self._number, ticks, self._ssrc) + payload

    def close(self) -> None:
        """Says goodbye without waiting for an answer."""
        with contextlib.suppress(OSError):
            self._socket.settimeout(0.0)
            if self._session:
                self._socket.send(self._client.write(self._request("TEARDOWN"))[1])
        self._socket.close()

    def _begin(self, parameters: Sequence[bytes]) -> None:
        self._ask(
            self._request("ANNOUNCE", {"Content-Type": "application/sdp"}, description(parameters, self._carried))
        )
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"}
        answer = self._ask(self._request("SETUP", transport, track="/streamid=0"))
        self._session = answer.get("session").partition(";")[0]
        self._ask(self._request("RECORD", {"Range": "npt=0.000-"}))

    def _request(
        self, method: str, headers: dict[str, str] | None = None, body: bytes = b"", track: str = ""
    ) -> Request:
        lines = {"User-Agent": "streamseg", **(headers or {})}
        if self._session:
            lines["Session"] = self._session
        if body:
            lines["Content-Length"] = str(len(body))
        return Request(method, f"{self._client.there.bare}{track}", list(lines.items()), body)

    def _ask(self, request: Request) -> Message:
        """Sends a request, again with the password or at another place where that is wanted; the good answer."""
        again: Request | None = request
        while again is not None:
            request = again
            number, data = self._client.write(request)
            self._socket.sendall(data)
            answer = self._answer(number)
            again = self._client.again(request, answer)
        if refused := self._client.refusal(request.method, answer):
            raise refused
        return answer

    def _answer(self, number: str) -> Message:
        deadline_s = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline_s:
            for item in self._parser.feed(self._socket.recv(65536) or self._left()):
                if isinstance(item, Message) and item.status is None:
                    self._socket.sendall(self._client.reply(item))
                elif isinstance(item, Message) and item.get("cseq") in (number, ""):
                    return item
        raise TimeoutError

    def _listen(self) -> None:
        """Takes what the server has said meanwhile, reports about reception mostly, and shows that we are alive."""
        for _ in range(_MOST_READS):
            if not has_come(self._socket):
                break
            for item in self._parser.feed(self._socket.recv(65536) or self._left()):
                if isinstance(item, Message):
                    self._heard(item)
        if time.monotonic() - self._alive_s > _ALIVE_EVERY_S:
            self._alive_s = time.monotonic()
            self._show_alive(self._request("OPTIONS"))

    def _heard(self, message: Message) -> None:
        if message.status is None:
            self._socket.sendall(self._client.reply(message))
        elif self._alive and message.get("cseq") == self._alive[0]:
            again = self._client.again(self._alive[1], message)  # the server may have a new nonce by now
            self._alive = None
            if again:
                self._show_alive(again)

    def _show_alive(self, request: Request) -> None:
        number, data = self._client.write(request)
        self._alive = number, request
        self._socket.sendall(data)

    def _left(self) -> bytes:
        raise ConnectionError("the server closed the connection")

    @contextlib.contextmanager
    def _told_apart(self) -> Iterator[None]:
        try:
            yield
        except RefusedError as error:
            error.__traceback__ = None  # else it and contextlib hold each other, and with them the encoder
            denied = error.status in (401, 403)
            what = "user or password is wrong, or missing" if denied else error.what
            hint = error.hint or ("" if denied else "may anybody publish there?")
            raise OutputError(f"{self._name}: {what}", hint, retry_s=error.retry_s) from None
        except OSError as error:
            error.__traceback__ = None
            what, hint, _ = trouble(error, self._client.there)
            raise OutputError(f"{self._name}: {what}", hint) from None
