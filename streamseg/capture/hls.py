"""HLS: FFmpeg reads the playlist and asks here for everything that it names."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from streamseg.capture.decode import FORMATS, open_error, pixel_limit
from streamseg.capture.hardware import accelerator
from streamseg.capture.httpclient import HttpClient
from streamseg.capture.httpfile import HttpFile
from streamseg.capture.packets import Packets
from streamseg.capture.stream import OPEN_TIMEOUT_S, StreamSource
from streamseg.errors import InputError, SourceError
from streamseg.net.urls import Address, read_address
from streamseg.options import SourceOptions
from streamseg.pyav import open_input

if TYPE_CHECKING:
    from av.container import InputContainer

_log = logging.getLogger(__name__)
_OPTIONS = {
    "format_whitelist": f"hls,{FORMATS}",
    "protocol_whitelist": "http,https,tcp,tls,crypto,data",
    "flags": "low_delay",
    "analyzeduration": "1000000",
}
_ASKING_HERE = {"http_persistent": "0", "http_multiple": "0"}  # both need a connection of FFmpeg's own
_MOST_ASKED, _OPENING_S = 256, 30.0  # FFmpeg goes round in a circle of playlists for ever
_PLAYLIST, _INIT = b"#EXT", b"ftyp"  # how what is no segment begins; the second behind its length
_KEY_BYTES = 16  # of the cipher's key: no segment is as short
_RECENT = 16  # segments: a playlist is begun three before its end, and a film sent in circles has older ones again
_MOST_SERVERS = 8  # beside the playlist's own: some name another with each segment, and each holds a connection
_BY_ITSELF = {"max_redirects": "0"}  # it would take the login along


class PlayedSegments(deque[tuple[str, ...]]):
    """The segments that were read to their end, on every connection to one playlist."""

    def __init__(self) -> None:
        super().__init__(maxlen=_RECENT)

    def add(self, segment: tuple[str, str, str]) -> None:
        """Each is noted once."""
        if segment not in self:
            self.append(segment)


def open_playlist(client: HttpClient, body: HttpFile, options: SourceOptions, played: PlayedSegments) -> StreamSource:
    """The stream of a playlist, live where it has no end; `body` is the playlist, just begun. Owns both.

    What was `played` on an earlier connection is left out: a server whose encoder has died names it for ever.

    Raises:
        SourceError: nothing that is video, or that is new.
        InputError: there is no video in it.
    """
    opener = _Opener(client, body, options, played)
    try:
        container = _open(client.there, opener, options)
    except BaseException:
        opener.close()
        raise
    try:
        packets = Packets(container, client.there.name, options.max_megapixels)
    except InputError as error:
        opener.close()
        raise opener.failure or (error if opener.found else opener.begins_soon) from None
    except BaseException:
        opener.close()
        raise
    opener.opened = True
    return StreamSource(packets, client.there.name, options, live=not container.duration, transport=opener)


def _open(there: Address, opener: _Opener, options: SourceOptions) -> InputContainer:
    import av

    asked = {**_OPTIONS, **pixel_limit(options.max_megapixels)}
    limits = (2 * OPEN_TIMEOUT_S, options.stall_timeout_s)
    hwaccel = accelerator(options.decode, there.name, options.gpu)
    try:
        return open_input(
            there.bare, {**asked, **_ASKING_HERE}, limits, form="hls", io_open=opener.open, hwaccel=hwaccel
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if not opener.encrypted:
            raise opener.failure or open_error(error, there.name) from None
    url = there.bare
    if there.login is not None:
        user, password = (quote(part.encode(errors="surrogateescape"), safe="") for part in there.login)
        url = url.replace("://", f"://{user}:{password}@", 1)
    try:
        return open_input(url, {**asked, **_BY_ITSELF}, limits, form="hls", hwaccel=hwaccel)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise open_error(error, there.name) from None


class _Opener:
    """What FFmpeg opens for a playlist: on the playlist's own server with the login, on others without."""

    def __init__(self, client: HttpClient, body: HttpFile, options: SourceOptions, played: PlayedSegments) -> None:
        self._failure: SourceError | None = None
        self._stale: SourceError | None = None
        self._played, self._before = played, frozenset(list(played))
        self._part: tuple[tuple[str, str, str], HttpFile] | None = None
        """The last segment that is a part of a file: FFmpeg 9 asks for the next as well, and leaves those unread."""
        self.opened = self.encrypted = self.found = False
        """Whether it is known what is there; whether segments are encrypted, for which FFmpeg has a cipher; whether
        anything was asked for that is no playlist."""
        self._home, self._playlist, self._stall_s = client, body, options.stall_timeout_s
        self._clients = {_server(client.there): client}
        self._first: str | None = client.there.bare
        self._asked, self._began_s = 0, time.monotonic()

    @property
    def failure(self) -> SourceError | None:
        """What went wrong last, or that nothing new has come."""
        return self._failure or self._stale

    @property
    def begins_soon(self) -> SourceError:
        """What is to be said of a playlist whose first segment is still to come."""
        return self._home.error("its playlist names no segment yet", away=True)

    def open(self, url: str, flags: int, options: dict[str, str]) -> _OneWay:
        """A file for FFmpeg. What cannot be had is empty: PyAV would print an exception."""
        if url == self._first:
            self._first = None
            return _OneWay(self._playlist)
        if url.startswith("crypto"):
            self.encrypted = True
            return _OneWay(None)
        self._asked += 1
        try:
            if not self.opened and (self._asked > _MOST_ASKED or time.monotonic() - self._began_s > _OPENING_S):
                raise self._home.error("its playlists name one another, and no video")
            return self._new(url, options, self._body(read_address(url, environment={}), options))
        except (SourceError, InputError) as error:
            _log.debug("%s", error)
            self._failure = error if isinstance(error, SourceError) else self._home.error(str(error))
            return _OneWay(None)

    def close(self) -> None:
        """Closes the connections to every server."""
        self._playlist.close()
        for client in self._clients.values():
            client.close()

    def _new(self, url: str, options: dict[str, str], body: HttpFile) -> _OneWay:
        """`body`; nothing of a segment that was played before, by what its server says of its state."""
        state, head = body.mark or body.date, body.peek(_KEY_BYTES + 1)
        is_key, is_playlist = len(head) <= _KEY_BYTES, head.lstrip(b"\xef\xbb\xbf").startswith(_PLAYLIST)
        self.found = self.found or not is_playlist
        if not state or is_key or is_playlist or head[4:8] == _INIT:
            return _OneWay(body)
        segment = url, options.get("offset", ""), state
        self._note_part(segment, body)
        if segment in self._before:
            self._stale = self._home.error("its playlist names nothing new")
            body.leave()
            return _OneWay(None)
        self._stale = None
        return _OneWay(body, lambda: self._played.add(segment))

    def _note_part(self, segment: tuple[str, str, str], body: HttpFile) -> None:
        """The part before `segment`, of the same file, was played where all up to here was read."""
        if self._part is not None:
            (url, offset, _), before = self._part
            if url == segment[0] and 0 < int(segment[1]) - int(offset) <= before.tell():
                self._played.add(self._part[0])
        self._part = (segment, body) if segment[1] else None

    def _body(self, address: Address, options: dict[str, str]) -> HttpFile:
        if address.scheme not in ("http", "https"):
            raise self._home.error(f"the playlist names {address.scheme}://, which is not followed")
        client = self._client(address)
        span = {}
        if "offset" in options:
            last = str(int(options["end_offset"]) - 1) if "end_offset" in options else ""
            span = {"Range": f"bytes={options['offset']}-{last}"}
        body = HttpFile(client, address, span)
        if int(options.get("offset", 0)) and not body.part:
            body.leave()
            raise self._home.error("the playlist names parts of files, and the server sends whole ones")
        return body

    def _client(self, address: Address) -> HttpClient:
        """That of a server; the one that was asked least lately makes room for a further one."""
        server = _server(address)
        client = self._clients.pop(server, None) or HttpClient(address, OPEN_TIMEOUT_S, self._stall_s)
        self._clients[server] = client
        others = [each for each, known in self._clients.items() if known is not self._home]
        for each in others[:-_MOST_SERVERS]:
            self._clients.pop(each).close()
        return client


class _OneWay:
    """A body that is read once, from its beginning to its end; None is an empty one."""

    def __init__(self, body: HttpFile | None, ended: Callable[[], object] = lambda: None) -> None:
        self._body, self._ended = body, ended

    def read(self, most: int) -> bytes:
        return self._body.read(most) if self._body else b""

    def close(self) -> None:
        if self._body:
            if self._body.all_read:  # FFmpeg reads once more behind a file, and not at all behind a part of one
                self._ended()
            self._body.leave()


def _server(address: Address) -> tuple[str, str, int]:
    return address.scheme, *address.place
