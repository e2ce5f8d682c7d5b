"""RTSP as a publisher speaks it (RFC 2326, with H.264 as in RFC 6184), over one TCP connection.

FFmpeg's own muxer is not used: it ignores errors of a connection that fell silent, and stops every thread of the
process while it connects. Here each step has a time limit, and nobody else waits.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import random
import re
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from urllib.parse import unquote, urlsplit

from streamseg.errors import OutputError, redact

_TIMEOUT_S = 3.0
_ALIVE_EVERY_S = 20.0
_AUTH_RETRY_S = 30.0  # a wrong password does not mend itself, and asking often locks accounts
_PAYLOAD = 96
_HEADER = struct.Struct(">cBHBBHII")
_LARGEST = 1400  # bytes of video in an RTP packet
_MOST_HEADERS = _MOST_READS = 100  # whatever the other side sends
_START = re.compile(rb"\x00\x00\x00?\x01")


class Publisher:
    """A connection on which `url` is being published.

    Args:
        url: rtsp://USER:PASSWORD@HOST:PORT/PATH.
        parameters: SPS and PPS, which the server is told before the first picture.

    Raises:
        OutputError: the server cannot be reached, does not answer, or does not want it.
    """

    def __init__(self, url: str, parameters: Sequence[bytes]) -> None:
        parts = urlsplit(url)
        self.name = redact(url)
        self._login = unquote(parts.username or ""), unquote(parts.password or "")
        host = parts.netloc.rpartition("@")[2]
        self._url = parts._replace(netloc=host).geturl()
        self._challenge, self._session, self._asked = "", "", 0
        # RFC 3550 lets all three begin anywhere, and FFmpeg takes a time of 0 for none.
        self._number, self._ssrc, self._first_ticks = (random.getrandbits(bits) for bits in (16, 32, 31))
        self._alive_s = time.monotonic()
        with self._told_apart():
            self._socket = socket.create_connection((parts.hostname or "", parts.port or 554), _TIMEOUT_S)
        self._reader = self._socket.makefile("rb")
        try:
            with self._told_apart():
                self._begin(parameters)
        except BaseException:
            self.close()
            raise

    def send(self, units: Sequence[bytes], ticks: int) -> None:
        """Sends the units of one picture, whose time is `ticks` of 1/90000 s.

        Raises:
            OutputError: the connection broke, or nothing could be sent for three seconds.
        """
        payloads = list(_payloads(units))
        last = len(payloads) - 1
        framed = b"".join(self._packet(payload, ticks, last=at == last) for at, payload in enumerate(payloads))
        with self._told_apart():
            self._listen()
            self._socket.sendall(framed)

    def _packet(self, payload: bytes, ticks: int, *, last: bool) -> bytes:
        """An RTP packet as it stands between RTSP's own lines: `$`, channel, length, header."""
        self._number = (self._number + 1) & 0xFFFF
        ticks = (self._first_ticks + ticks) & 0xFFFFFFFF
        kind = _PAYLOAD | last << 7
        return _HEADER.pack(b"$", 0, 12 + len(payload), 0x80, kind, self._number, ticks, self._ssrc) + payload

    def close(self) -> None:
        """Says goodbye without waiting for an answer."""
        with contextlib.suppress(OSError):
            self._socket.settimeout(0.0)
            if self._session:
                self._socket.send(self._request("TEARDOWN", self._url))
        self._reader.close()
        self._socket.close()

    def _begin(self, parameters: Sequence[bytes]) -> None:
        sdp = _description(parameters)
        self._ask("ANNOUNCE", self._url, {"Content-Type": "application/sdp"}, sdp)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"}
        answer = self._ask("SETUP", f"{self._url}/streamid=0", transport)
        self._session = answer.get("session", "").partition(";")[0]
        self._ask("RECORD", self._url, {"Range": "npt=0.000-"})

    def _ask(self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> dict[str, str]:
        """Sends a request, a second time with the password where one is wanted; the headers of the answer."""
        for _ in range(2):
            self._socket.sendall(self._request(method, url, headers, body))
            status, answer = self._answer()
            if status != 401 or self._challenge or not self._login[0]:
                break
            self._challenge = _choose(answer.get("www-authenticate", ""))
        if status in (401, 403):
            raise OutputError(f"{self.name}: user or password is wrong, or missing", retry_s=_AUTH_RETRY_S)
        if status != 200:
            raise OutputError(f"{self.name}: the server answers {status} to {method}", "may anybody publish there?")
        return answer

    def _request(self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
        self._asked += 1
        lines = {"CSeq": str(self._asked), "User-Agent": "streamseg", **(headers or {})}
        if self._session:
            lines["Session"] = self._session
        if self._challenge:
            lines["Authorization"] = _authorisation(self._challenge, method, url, *self._login)
        if body:
            lines["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {url} RTSP/1.0\r\n{head}\r\n".encode() + body

    def _answer(self) -> tuple[int, dict[str, str]]:
        first = self._reader.readline(8192).split()
        if len(first) < 2 or not first[0].startswith(b"RTSP/") or not first[1].isdigit():
            raise ConnectionError("no RTSP")
        headers: dict[str, str] = {}
        for _ in range(_MOST_HEADERS):
            name, _, value = self._reader.readline(8192).decode(errors="replace").strip().partition(":")
            if not name:
                break
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}\n{value}" if name in headers else value
        self._reader.read(max(0, min(int(headers.get("content-length", "0")), 1 << 20)))
        return int(first[1]), headers

    def _listen(self) -> None:
        """Takes what the server has said meanwhile, reports about reception mostly, and shows that we are alive."""
        for _ in range(_MOST_READS):
            if not select.select([self._socket], [], [], 0)[0]:
                break
            if not self._socket.recv(65536):
                raise ConnectionError("the server closed the connection")
        if time.monotonic() - self._alive_s > _ALIVE_EVERY_S:
            self._alive_s = time.monotonic()
            self._socket.sendall(self._request("OPTIONS", self._url))

    @contextlib.contextmanager
    def _told_apart(self) -> Iterator[None]:
        try:
            yield
        except socket.gaierror:
            raise OutputError(f"{self.name}: host not found", "check the name") from None
        except TimeoutError:
            raise OutputError(f"{self.name}: the server does not answer") from None
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.name}: {getattr(error, 'strerror', None) or error}") from None


def units_of(data: bytes) -> list[bytes]:
    """The NAL units in H.264 as the encoder gives it, with start codes between."""
    return [unit for unit in _START.split(data) if unit]


def _payloads(units: Sequence[bytes]) -> Iterator[bytes]:
    """What RTP packets hold: a unit as it is, or cut into fragments of type 28."""
    for unit in units:
        if len(unit) <= _LARGEST:
            yield unit
            continue
        indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
        for at in range(1, len(unit), _LARGEST):
            first, last = at == 1, at + _LARGEST >= len(unit)
            yield bytes((indicator, first << 7 | last << 6 | kind)) + unit[at : at + _LARGEST]


def _description(parameters: Sequence[bytes]) -> bytes:
    sets = ",".join(base64.b64encode(unit).decode() for unit in parameters)
    profile = parameters[0][1:4].hex()
    lines = [
        "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=streamseg", "c=IN IP4 0.0.0.0", "t=0 0",
        f"m=video 0 RTP/AVP {_PAYLOAD}", f"a=rtpmap:{_PAYLOAD} H264/90000",
        f"a=fmtp:{_PAYLOAD} packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}",
        "a=control:streamid=0",
    ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines).encode()


def _choose(challenges: str) -> str:
    """Digest with MD5, which hides the password, where the server offers it among others."""
    digests = [one for one in challenges.split("\n") if one.lower().startswith("digest") and "sha-" not in one.lower()]
    return digests[0] if digests else "Basic"


def _authorisation(challenge: str, method: str, url: str, user: str, password: str) -> str:
    if not challenge.lower().startswith("digest"):
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm, nonce = given.get("realm", ""), given.get("nonce", "")
    answer = _md5(f"{_md5(f'{user}:{realm}:{password}')}:{nonce}:{_md5(f'{method}:{url}')}")
    return f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{url}", response="{answer}"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()  # what RTSP asks for
