"""An RTSP server of sockets alone, for what no well-behaved server does: it plays a file, or takes what is published.

Faults are options. It writes down what it is asked, and with which login.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.parts import rtp
from tests.parts.authenticator import Authenticator


@dataclass
class Request:
    method: str
    uri: str
    headers: dict[str, str]
    body: bytes

    @property
    def login(self) -> str:
        return self.headers.get("authorization", "")


Answer = tuple[str, list[str]]
"""First line behind `RTSP/1.0`, and header lines."""


@dataclass
class RtspServer:
    """`with RtspServer(file) as camera:` serves raw H.264 at `camera.url`, each connection from its first picture."""

    file: Path | None = None
    keeper: Authenticator | None = None
    fps: float = 25.0
    hurry: float = 1.0
    """How much faster than its clock it sends."""
    host: str = "127.0.0.1"
    answer: Callable[[Request], Answer | None] = lambda request: None
    """May answer a request instead of the server."""
    after_play: list[bytes] = field(default_factory=list)
    """Sent as they are, between the first pictures."""
    tracks: tuple[str, ...] = ("video",)
    sdp_lines: tuple[str, ...] = ()
    """Instead of the line that describes the video's parameters."""
    base: str | None = ""
    """Content-Base: that of the request, another, or None."""
    udp: bool = False
    """Whether packets go over UDP to who asks for it; every third then comes behind the one that follows it."""
    group: tuple[str, int] | None = None
    """Where packets go for all who listen there, and no other way."""
    channel: int | None = None
    """Of the packets, whatever was asked for."""
    first_ticks: int = 90_000
    jumps: dict[int, int] = field(default_factory=dict)
    """Picture to ticks by which its clock jumps."""
    begin: int = 0
    """The picture with which each connection begins."""
    pictures: int | None = None
    """After so many the server closes the connection."""
    keepalive_s: float | None = None
    """A session that is silent for longer is closed."""
    certificate: Path | None = None
    asked: list[Request] = field(default_factory=list)
    packets: int = 0
    """Published here."""
    port: int = 0
    """By default any that is free."""

    def __enter__(self) -> RtspServer:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._door = socket.create_server((self.host, self.port), family=family)
        self.port = int(self._door.getsockname()[1])
        self._open: list[socket.socket] = []
        self._units = rtp.pictures(self.file.read_bytes()) if self.file else []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each in (self._door, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @property
    def url(self) -> str:
        return self.url_with("")

    def url_with(self, login: str, path: str = "/cam") -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "rtsps" if self.certificate else "rtsp"
        return f"{scheme}://{login}{'@' if login else ''}{host}:{self.port}{path}"

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.asked]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._door.accept()
                if self.certificate:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(self.certificate)
                    connection = context.wrap_socket(connection, server_side=True)
            except (ssl.SSLError, ConnectionError):
                continue  # a client that does not trust the certificate
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=_Session(self, connection).live, daemon=True).start()

    def sdp(self) -> str:
        parameters = {unit[0] & 31: unit for unit in itertools.chain(*self._units[:30]) if unit[0] & 31 in (7, 8)}
        sets = ",".join(base64.b64encode(parameters[kind]).decode() for kind in sorted(parameters))
        media = {
            "video": [
                "m=video 0 RTP/AVP 96",
                "a=rtpmap:96 H264/90000",
                *(self.sdp_lines or (f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}",)),
            ],
            "audio": ["m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000"],
            "metadata": ["m=application 0 RTP/AVP 107", "a=rtpmap:107 vnd.onvif.metadata/90000"],
        }
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=cam", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
        for track in self.tracks:
            lines += [*media[track], f"a=control:track={track}"]
        return "".join(f"{line}\r\n" for line in lines)


class _Session:
    def __init__(self, server: RtspServer, connection: socket.socket) -> None:
        self._server, self._connection = server, connection
        self._reader = connection.makefile("rb")
        self._lock = threading.Lock()
        self._channels: dict[str, int] = {}
        self._udp: socket.socket | None = None
        self._held: list[bytes] = []
        self._playing = True
        self._heard_s = time.monotonic()

    def live(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while request := self._request():
                self._server.asked.append(request)
                self._heard_s = time.monotonic()
                self._reply(request)
        self._playing = False
        self._connection.close()
        if self._udp:
            self._udp.close()

    def _request(self) -> Request | None:
        while (first := self._reader.read(1)) == b"$":
            head = self._reader.read(3)
            self._reader.read(struct.unpack(">H", head[1:])[0])
            self._server.packets += 1
        words = (first + self._reader.readline()).decode().split()
        if len(words) < 2:
            return None
        headers: dict[str, str] = {}
        while line := self._reader.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = self._reader.read(int(headers.get("content-length", "0")))
        return Request(words[0], words[1], headers, body)

    def _reply(self, request: Request) -> None:
        server = self._server
        own = server.answer(request)
        if own:
            self._say(request, *own)
            return
        keeper = server.keeper
        if keeper and request.method != "OPTIONS" and not keeper.admits(request.method, request.login, request.body):
            self._say(request, "401 Unauthorized", keeper.challenge())
            return
        timeout = f";timeout={server.keepalive_s:g}" if server.keepalive_s else ""
        lines = [f"Session: 12345678{timeout}"]
        if request.method == "OPTIONS":
            lines = ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER, ANNOUNCE, RECORD"]
        elif request.method == "DESCRIBE":
            base = server.base or f"{request.uri.rstrip('/')}/"
            lines = [f"Content-Base: {base}"] if server.base is not None else []
            self._say(request, "200 OK", [*lines, "Content-Type: application/sdp"], server.sdp())
            return
        elif request.method == "SETUP":
            transport = self._set_up(request)
            if not transport:
                self._say(request, "461 Unsupported Transport", [])
                return
            lines.append(f"Transport: {transport}")
        self._say(request, "200 OK", lines)
        if request.method == "PLAY":
            threading.Thread(target=self._play, daemon=True).start()

    def _set_up(self, request: Request) -> str:
        """How its packets will travel; empty where that is none of our ways."""
        track, asked = request.uri.rpartition("track=")[2], request.headers["transport"]
        if group := self._server.group:
            if "multicast" not in asked:
                return ""
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.connect(group)
            return f"RTP/AVP;multicast;destination={group[0]};port={group[1]}-{group[1] + 1};ttl=1"
        if interleaved := re.search(r"interleaved=(\d+)", asked):
            channel = int(interleaved[1]) if self._server.channel is None else self._server.channel
            self._channels[track] = channel
            return f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        ports = re.search(r"client_port=(\d+)-\d+", asked)
        if not ports or not self._server.udp:
            return ""
        self._udp = socket.socket(self._connection.family, socket.SOCK_DGRAM)
        self._udp.connect((self._connection.getpeername()[0], int(ports[1])))
        port = self._udp.getsockname()[1]
        return f"RTP/AVP;unicast;{ports[0]};server_port={port}-{port + 1}"

    def _say(self, request: Request, first: str, lines: list[str], body: str = "") -> None:
        lines = [f"CSeq: {request.headers.get('cseq', '0')}", *lines]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        with self._lock:
            self._connection.sendall(("\r\n".join([f"RTSP/1.0 {first}", *lines, "", ""]) + body).encode())

    def _play(self) -> None:
        server, began_s, shift = self._server, time.monotonic(), 0
        sequence = itertools.count(65_500)
        with contextlib.suppress(OSError):
            for number in itertools.count() if server.pictures is None else range(server.pictures):
                if not self._playing or self._timed_out():
                    break
                shift += server.jumps.get(number, 0)
                ticks = server.first_ticks + int(number * 90_000 / server.fps) + shift
                unit = server._units[(server.begin + number) % len(server._units)]
                packets = list(rtp.packets(unit, ticks, sequence))
                self._send_apart(packets)
                sent = b"".join(self._framed("video", packet) for packet in packets)
                if "audio" in self._channels:
                    sent += self._framed("audio", rtp.header(0, number, number * 320, last=False) + bytes(320))
                if number < len(server.after_play):
                    sent += server.after_play[number]
                with self._lock:
                    self._connection.sendall(sent)
                time.sleep(max(0.0, began_s + (number + 1) / server.fps / server.hurry - time.monotonic()))
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _send_apart(self, packets: list[bytes]) -> None:
        """Over UDP, if that was asked for."""
        if self._udp is None:
            return
        for packet in packets:
            if packet[3] % 3 == 0 and not self._held:
                self._held = [packet]
                continue
            for each in (packet, *self._held):
                self._udp.send(each)
            self._held = []

    def _framed(self, track: str, packet: bytes) -> bytes:
        if track not in self._channels:
            return b""
        return struct.pack(">cBH", b"$", self._channels[track], len(packet)) + packet

    def _timed_out(self) -> bool:
        limit_s = self._server.keepalive_s
        return limit_s is not None and time.monotonic() - self._heard_s > limit_s
