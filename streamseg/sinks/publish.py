"""Restreaming: what is shown, published on an RTSP server for as many viewers as that can serve."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from streamseg.contracts import Controls, Shown, Sink
from streamseg.errors import InputError, redact
from streamseg.frame import Pixels
from streamseg.sinks.retry import Retrying
from streamseg.sinks.rtsp import Publisher, units_of
from streamseg.sinks.video import Encoder
from streamseg.urls import expand

_LONGEST_WAIT_S = 1.0


def publish(uri: str, controls: Controls) -> Sink:
    """A sink that connects again for ever; what is no live stream is published at its own speed."""
    sink = Retrying(PublishSink(uri))
    return Paced(sink) if controls.pace else sink


class PublishSink:
    """Publishes H.264 over TCP at `rtsp://USER:PASSWORD@HOST/PATH`; `${NAME}` is filled from the environment.

    Connects at the first picture, after every error, and for every new size.
    """

    blocking = True
    needs_picture = True

    def __init__(self, uri: str) -> None:
        self._url = expand(uri)
        try:
            parts = urlsplit(self._url)
            known = parts.scheme.lower() == "rtsp" and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            known = False
        if not known:
            raise InputError(f"{uri}: not understood", "rtsp://USER:PASSWORD@HOST:PORT/PATH")
        self._size: tuple[int, ...] = ()
        self._encoder: Encoder | None = None
        self._publisher: Publisher | None = None

    def write(self, shown: Shown) -> None:
        """Sends one picture.

        Raises:
            OutputError: the server cannot be reached, refuses, or fell silent.
        """
        size = shown.pixels.shape[:2]
        if size != self._size:
            self.close()
        try:
            if self._encoder is None:
                self._size, self._encoder = size, _encoder(shown.pixels, redact(self._url))
            for packet in self._encoder.write(shown.pixels, shown.frame.time_s):
                self._send(units_of(bytes(packet)), packet.pts or 0)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the session."""
        publisher, self._publisher, self._encoder, self._size = self._publisher, None, None, ()
        if publisher is not None:
            publisher.close()

    def _send(self, units: list[bytes], ticks: int) -> None:
        if self._publisher is None:
            self._publisher = Publisher(self._url, [unit for unit in units if unit[0] & 0x1F in (7, 8)])
        self._publisher.send(units, ticks)


class Paced:
    """A sink that is given each picture when its time has come."""

    def __init__(
        self, sink: Sink, *, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.blocking, self.needs_picture = sink.blocking, sink.needs_picture
        self._sink, self._now, self._sleep = sink, now, sleep
        self._began_s: float | None = None

    @property
    def unwritten(self) -> int:
        """Those of the sink."""
        return int(getattr(self._sink, "unwritten", 0))

    def write(self, shown: Shown) -> None:
        """Waits, then hands the picture on; the clock is set by the first, and anew by one that is late."""
        time_s, now_s = shown.frame.time_s, self._now()
        lead_s = -1.0 if self._began_s is None else self._began_s + time_s - now_s
        if 0 <= lead_s <= _LONGEST_WAIT_S:
            self._sleep(lead_s)
        else:
            self._began_s = now_s - time_s
        self._sink.write(shown)

    def close(self) -> None:
        """Closes the sink."""
        self._sink.close()


def _encoder(first: Pixels, name: str) -> Encoder:
    import av

    return Encoder(av.open(os.devnull, "w", format="h264"), first, name)
