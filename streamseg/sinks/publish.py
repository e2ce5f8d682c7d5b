"""Restreaming: what is shown, published on an RTSP server for as many viewers as that can serve."""

from __future__ import annotations

from urllib.parse import unquote

from streamseg.contracts import Shown, Sink
from streamseg.errors import OutputError
from streamseg.frame import StreamInfo
from streamseg.net.urls import read_address
from streamseg.pyav import failures
from streamseg.sinks import nvenc
from streamseg.sinks.codecs import encoding
from streamseg.sinks.encoder_alone import encoder_alone
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.paced import Paced
from streamseg.sinks.part import reason
from streamseg.sinks.retry import Retrying
from streamseg.sinks.rtp import CARRIED, parameter_sets, units_of
from streamseg.sinks.rtsp import Publisher
from streamseg.sinks.video import Encoder


def publish(uri: str, info: StreamInfo, codec: str = "h264") -> Sink:
    """A sink that connects again for ever; what is no live stream is published at its own speed."""
    sink = Retrying(PublishSink(uri, codec, info.fps))
    return sink if info.live else Paced(sink)


class PublishSink:
    """Publishes video over TCP at `rtsp://USER:PASSWORD@HOST/PATH`; `${NAME}` is filled from the environment.

    Connects at the first picture, after every error, and for every new size.
    """

    blocking = True
    needs_image = True
    unwritten = 0

    def __init__(self, uri: str, codec: str = "h264", fps: float | None = None) -> None:
        self._address, self._encoding = read_address(uri), encoding(codec, fps)
        self._encoder: Encoder | None = None
        self._publisher: Publisher | None = None

    def write(self, shown: Shown) -> None:
        """Sends one picture.

        Raises:
            OutputError: the server cannot be reached, refuses, or fell silent; or the picture cannot be encoded.
        """
        if self._encoder is not None and not self._encoder.takes(shown):
            self.close()
        try:
            if self._encoder is None:
                there = nvenc.encodes(shown.pixels, self._address.name, self._encoding)
                self._encoder = encoder_alone(shown, self._address.name, self._encoding, on_gpu=there)
            for packet in self._encoder.write(shown.pixels, shown.frame.time_s):
                self._send(units_of(bytes(packet)), packet.pts or 0)
        except failures() as error:
            self.close()
            raise OutputError(f"{self._address.name}: {reason(error)}") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the session."""
        publisher, self._publisher, self._encoder = self._publisher, None, None
        if publisher is not None:
            publisher.close()

    def _send(self, units: list[bytes], ticks: int) -> None:
        if self._publisher is None:
            carried = CARRIED[self._encoding.bare]
            self._publisher = Publisher(self._address, parameter_sets(units, carried), carried)
        self._publisher.send(units, ticks)


def _target(uri: str) -> object:
    address = read_address(uri)
    return address.server, unquote(address.path)


PUBLISH = OutputKind(
    forms="rtsp://…",
    means=lambda uri: uri.lower().startswith("rtsp://"),
    open=lambda uri, info, controls, existing: publish(uri, info, controls.codec),
    check=read_address,
    reach=lambda uri: Publisher(read_address(uri), None).close(),
    target=_target,
)
