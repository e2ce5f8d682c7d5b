"""What is said between FFmpeg and an RTSP camera, and what of it is changed on the way; no connection, no thread."""

from __future__ import annotations

from typing import NamedTuple

from streamseg.errors import SourceError
from streamseg.net.connection import trouble
from streamseg.net.login import LOGIN_HINT, NO_STREAM, NO_STREAM_HINT
from streamseg.net.rtspclient import RefusedError, Request, RtspClient
from streamseg.net.rtspmessages import Message
from streamseg.net.urls import Address

_MOST_UNANSWERED = 16  # requests: cameras may never answer one that only keeps the session, and those come for ever


class _Waiting(NamedTuple):
    asked: Request
    number: str
    """FFmpeg's own."""


class Relay:
    """Turns what FFmpeg asks the URL `proxy` into requests to the camera, and answers back.

    The login is put in here, so that FFmpeg need not know it.
    """

    def __init__(self, proxy: str, address: Address, camera: str) -> None:
        self.failure: SourceError | None = None
        """Why the connection is to end."""
        self.refusal: SourceError | None = None
        """What the camera last refused, where FFmpeg may still know another way."""
        self._proxy, self._name, self._camera = proxy, address.name, camera
        self._client = RtspClient(address)
        self._waiting: dict[str, _Waiting] = {}

    def asked(self, item: Message | bytes) -> bytes:
        """What the camera is to get for what FFmpeg sends."""
        if isinstance(item, bytes):
            return item
        method, uri, _ = item.words
        if uri.startswith(self._proxy):
            uri = self._client.there.bare + uri[len(self._proxy) :]
        return self._ask(_Waiting(Request(method, uri, item.headers, item.body), item.get("cseq")))

    def answered(self, item: Message | bytes) -> tuple[bytes, bytes]:
        """What the camera, and what FFmpeg is to get for what the camera sends."""
        if isinstance(item, bytes):
            return b"", item
        try:
            return self._answered(item)
        except RefusedError as error:
            self.failure = self._error(error)
            return b"", b""

    @property
    def unanswered(self) -> SourceError | None:
        """What is to be said of a camera that never came to the answer to a request, but for FFmpeg's goodbye."""
        waits = any(each.asked.method != "TEARDOWN" for each in list(self._waiting.values()))
        return self._error(RefusedError("does not answer", away=True)) if waits else None

    def ended(self, error: OSError | None = None) -> None:
        """The camera has left."""
        what = trouble(error, self._client.there).what if error else "disconnected"
        self.failure = self.failure or self.refusal or self._error(RefusedError(what, away=True))

    def _ask(self, waiting: _Waiting) -> bytes:
        while len(self._waiting) >= _MOST_UNANSWERED:
            del self._waiting[next(iter(self._waiting))]
        number, request = self._client.write(waiting.asked)
        self._waiting[number] = waiting
        return request

    def _answered(self, message: Message) -> tuple[bytes, bytes]:
        if message.status is None:
            return self._client.reply(message), b""
        number = message.get("cseq")
        first = next(iter(self._waiting), "")  # what an answer without a number must belong to
        waiting = self._waiting.pop(number if number in self._waiting else first, None)
        if waiting is None:
            return b"", b""
        again = self._client.again(waiting.asked, message)
        if again is not None:
            return self._ask(_Waiting(again, waiting.number)), b""
        refused = self._client.refusal(waiting.asked.method, message)
        if waiting.asked.method != "TEARDOWN":  # FFmpeg's goodbye after whatever was refused
            self.refusal = self._error(refused) if refused else None
        made = self._for_ffmpeg(message, waiting.number)
        if refused is None:
            made.first = "RTSP/1.0 200 OK"  # any other good answer, and one that does not matter, would end its run
        if "multicast" in message.get("transport") and "multicast" not in str(waiting.asked.headers):
            made.first = "RTSP/1.0 461 Unsupported Transport"  # which is what it means; FFmpeg asks for that at last
        return b"", made.encode()

    def _for_ffmpeg(self, message: Message, number: str) -> Message:
        """The answer under FFmpeg's number. It shall not try to log in, and must know where UDP comes from."""
        headers = [(name, value) for name, value in message.headers if name.lower() != "www-authenticate"]
        made = Message(message.first, headers, message.body)
        made.put("CSeq", number)
        transport = message.get("transport")
        if "RTP/" in transport and "interleaved" not in transport and "source=" not in transport:
            made.put("Transport", f"{transport};source={self._camera}")
        return made

    def _error(self, refused: RefusedError) -> SourceError:
        what, hint = refused.what, refused.hint
        if refused.status in (401, 403):
            hint = LOGIN_HINT
        elif refused.status in (404, 410):
            what, hint = NO_STREAM, NO_STREAM_HINT
        elif refused.status == 461:  # to what FFmpeg tried last; some cameras leave before it can try the other one
            hint = "ask for the other way with --transport udp, or tcp"
        return SourceError(f"{self._name}: {what}", hint, retry_s=refused.retry_s, away=refused.away)
