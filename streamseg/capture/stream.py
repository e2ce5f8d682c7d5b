"""Network streams and pipes: RTSP, HTTP (MJPEG, HLS, files) and the standard input."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from streamseg.buffers import Pool
from streamseg.capture.clock import Clock
from streamseg.capture.decode import FORMATS, decode_packets, open_error, pixel_limit, to_pixels, video_stream
from streamseg.contracts import SourceOptions
from streamseg.errors import SourceError, StreamsegError, printable, redact
from streamseg.frame import Frame, StreamInfo
from streamseg.urls import expand

if TYPE_CHECKING:
    from av.container import InputContainer

_log = logging.getLogger(__name__)
_OPEN_TIMEOUT_S = 5.0
_JUMP_S = 10.0  # a stamp this far ahead is a new clock, not a pause
_RTSP = {
    "fflags": "nobuffer",  # not for HTTP: it throws away what probing has read, all of a short file
    "flags": "low_delay",
    "analyzeduration": "500000",
    "protocol_whitelist": "rtsp,rtsps,rtp,udp,tcp,tls,srtp,crypto",
}
_HTTP = {
    "protocol_whitelist": "http,https,tcp,tls,crypto,data",
    "format_whitelist": f"hls,mpjpeg,{FORMATS}",
    "flags": "low_delay",
    "analyzeduration": "1000000",
    "max_redirects": "0",  # a camera that sends us to another host is asking for our reach into the network
}
_PIPE = {"protocol_whitelist": "pipe", "format_whitelist": FORMATS}


class StreamSource:
    """A stream as PyAV reads it; ends when the other side does, or when a read times out.

    `info.live` is False for what has a known end (a file over HTTP) and for a pipe, which waits for its reader.
    """

    def __init__(self, uri: str, options: SourceOptions) -> None:
        url = with_credentials(_small_scheme(expand(uri)))
        self._name = "-" if uri == "-" else printable(redact(url))
        self.counters = {"decode_errors": 0}
        self._closed = False
        self._stall_s = options.stall_timeout_s
        self._container = self._open(url, options)
        try:
            self._stream = video_stream(self._container, self._name, options.max_megapixels)
        except BaseException:
            self._container.close()
            raise
        live = uri != "-" and not self._container.duration
        # Decoding by frames holds one back for every thread, so it is for what nobody waits for.
        self._stream.thread_type = "SLICE" if live else "AUTO"
        rate = self._stream.average_rate
        fps = float(rate) if rate else None
        self.info = StreamInfo(self._name, self._stream.width, self._stream.height, fps, live=live)

    def __iter__(self) -> Iterator[Frame]:
        pool, clock = Pool(), Clock(self._name, 1 / (self.info.fps or 25.0), _JUMP_S)
        import av

        index = 0
        try:
            for decoded in decode_packets(self._container, self._stream, self.counters):
                if self._closed:
                    break
                arrived_s = time.monotonic()
                yield Frame(to_pixels(decoded, pool), index, clock.read(decoded.time), arrived_s, self._name)
                index += 1
        except StreamsegError:
            raise
        except (av.error.ExitError, TimeoutError):  # the library's own clock, set to the same time
            raise SourceError(f"{self._name}: silent for {self._stall_s:g} s") from None
        except Exception as error:
            raise open_error(error, self._name) from None
        finally:
            self._container.close()

    def close(self) -> None:
        """Ends the iteration before its next frame; whoever iterates closes the connection."""
        self._closed = True

    def _open(self, url: str, options: SourceOptions) -> InputContainer:
        import av

        read_s = options.stall_timeout_s / 2  # the library fires at twice the time it is given
        target = "pipe:0" if url == "-" else url
        limits = None if url == "-" else (_OPEN_TIMEOUT_S, read_s)
        try:
            limited = {**_options(url, options, read_s), **pixel_limit(options.max_megapixels)}
            return av.open(target, options=limited, timeout=limits)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise _told_apart(error, url, self._name) from None


def _small_scheme(url: str) -> str:
    """`RTSP://Camera` as `rtsp://Camera`: FFmpeg knows its protocols in small letters alone."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.lower()}://{rest}" if separator else url


def with_credentials(url: str) -> str:
    """`url` with STREAMSEG_USER and STREAMSEG_PASSWORD where it names nobody itself."""
    user, password = os.environ.get("STREAMSEG_USER"), os.environ.get("STREAMSEG_PASSWORD", "")
    scheme, separator, rest = url.partition("://")
    if not user or not separator or "@" in rest.partition("/")[0]:
        return url
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _options(url: str, options: SourceOptions, read_s: float) -> dict[str, str]:
    if url == "-":
        return _PIPE
    microseconds = str(int(read_s * 1e6))
    if url.startswith("http"):
        return {**_HTTP, "rw_timeout": microseconds}
    return {
        **_RTSP,
        "rtsp_transport": options.transport,
        "reorder_queue_size": "0" if options.transport == "udp" else "500",
        "timeout": microseconds,
    }


def _told_apart(error: Exception, url: str, name: str) -> StreamsegError:
    """FFmpeg says "input/output error" for a host that does not exist, so that is looked up here."""
    told = open_error(error, name)
    host = urlsplit(url).hostname
    if host and isinstance(told, SourceError) and told.retry_s < 1:
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            return SourceError(f"{name}: host not found", "check the name, and that this machine is in its network")
    return told
