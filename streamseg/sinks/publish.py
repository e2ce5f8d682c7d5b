"""Restreaming: what is shown, published on an RTSP server for as many viewers as that can serve."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from streamseg.contracts import Shown, Sink
from streamseg.frame import StreamInfo
from streamseg.net.urls import read_address
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.retry import Retrying
from streamseg.sinks.rtsp import Publisher, units_of
from streamseg.sinks.video import Encoder, Form, form

_LONGEST_WAIT_S = 1.0


def publish(uri: str, info: StreamInfo) -> Sink:
    """A sink that connects again for ever; what is no live stream is published at its own speed."""
    sink = Retrying(PublishSink(uri))
    return sink if info.live else Paced(sink)


class PublishSink:
    """Publishes H.264 over TCP at `rtsp://USER:PASSWORD@HOST/PATH`; `${NAME}` is filled from the environment.

    Connects at the first picture, after every error, and for every new size.
    """

    blocking = True
    needs_image = True
    unwritten = 0

    def __init__(self, uri: str) -> None:
        self._address = read_address(uri)
        self._form: Form | None = None
        self._encoder: Encoder | None = None
        self._publisher: Publisher | None = None

    def write(self, shown: Shown) -> None:
        """Sends one picture.

        Raises:
            OutputError: the server cannot be reached, refuses, or fell silent.
        """
        if form(shown) != self._form:
            self.close()
        try:
            if self._encoder is None:
                self._form, self._encoder = form(shown), _encoder(shown, self._address.name)
            for packet in self._encoder.write(shown.pixels, shown.frame.time_s):
                self._send(units_of(bytes(packet)), packet.pts or 0)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the session."""
        publisher, self._publisher, self._encoder, self._form = self._publisher, None, None, None
        if publisher is not None:
            publisher.close()

    def _send(self, units: list[bytes], ticks: int) -> None:
        if self._publisher is None:
            self._publisher = Publisher(self._address, [unit for unit in units if unit[0] & 0x1F in (7, 8)])
        self._publisher.send(units, ticks)


class Paced:
    """A sink that is given each picture when its time has come."""

    def __init__(
        self, sink: Sink, *, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.blocking, self.needs_image = sink.blocking, sink.needs_image
        self._sink, self._now, self._sleep = sink, now, sleep
        self._began_s: float | None = None

    @property
    def unwritten(self) -> int:
        """Those of the sink."""
        return self._sink.unwritten

    def write(self, shown: Shown) -> None:
        """Waits, then hands the picture on; the clock is set by the first, and again by one that is late."""
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


def _encoder(first: Shown, name: str) -> Encoder:
    import av

    return Encoder(av.open(os.devnull, "w", format="h264"), first, name)


PUBLISH = OutputKind(
    forms="rtsp://…",
    means=lambda uri: uri.lower().startswith("rtsp://"),
    open=lambda uri, info, controls, existing: publish(uri, info),
    check=read_address,
)
