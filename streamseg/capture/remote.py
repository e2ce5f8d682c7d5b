"""What an address names: a network camera, a stream or file on a server, or what is piped in."""

from __future__ import annotations

from pathlib import Path

from streamseg.capture.backoff import patiently
from streamseg.capture.kind import SourceKind, scheme_of
from streamseg.capture.media import Uri
from streamseg.capture.pipe import open_pipe
from streamseg.capture.reconnect import ReconnectingSource, opened_apart
from streamseg.capture.rtsp import open_rtsp
from streamseg.contracts import Source
from streamseg.net.urls import Address, read_address, with_login
from streamseg.options import SourceOptions

_SCHEMES = ("rtsp", "rtsps", "http", "https")
_PIPE = "-"
_FILES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif")


def _open(uri: Uri, options: SourceOptions) -> Source:
    if uri == _PIPE:
        return opened_apart(lambda: open_pipe(options))
    address = with_login(read_address(str(uri)))
    if address.scheme.startswith("rtsp"):
        return ReconnectingSource(lambda: open_rtsp(address, options), options)
    return _open_web(address, options)


def _open_web(address: Address, options: SourceOptions) -> Source:
    """A file once, a camera for ever; what is named like a file is not waited for."""
    from streamseg.capture.hls import PlayedSegments
    from streamseg.capture.web import open_web  # which brings Python's HTTP and TLS with it

    played = PlayedSegments()
    wait = options.wait and Path(address.path.partition("?")[0]).suffix.lower() not in _FILES
    first = patiently(lambda: opened_apart(lambda: open_web(address, options, played)), wait=wait)
    if not first.info.live:
        return first
    waiting = [first]  # the one already open serves as the first connection
    return ReconnectingSource(
        lambda: waiting.pop() if waiting else open_web(address, options, played, live=True), options
    )


STREAM = SourceKind(
    forms="rtsp://…, rtsps://…, http(s)://…, -",
    means=lambda uri: uri == _PIPE or scheme_of(uri).lower() in _SCHEMES,
    open=_open,
    check=lambda uri: uri == _PIPE or read_address(str(uri)),
)
