"""Encoders: what one refuses, as x264 a side of 20,000 pixels, is told like any other failure; and each is freed."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from av.container import OutputContainer

from streamseg.contracts import Controls, Shown
from streamseg.errors import OutputError
from streamseg.frame import Frame
from streamseg.segmentation import Segmentation
from streamseg.serve.live import _Encoding
from streamseg.sinks import sink_kind
from streamseg.sinks.events import EventsSink
from streamseg.sinks.publish import PublishSink
from streamseg.sinks.video import Encoder
from tests.parts.fakes import CLASSES, LIVE
from tests.parts.leftovers import without_collector


def picture(width: int) -> Shown:
    frame = Frame(np.zeros((64, width, 3), np.uint8), 0, 0.0, 0.0)
    return Shown(frame, Segmentation(np.ones((64, width), np.uint8), CLASSES, 0, 0.0), frame.image, 0, {})


@pytest.mark.parametrize("output", ["a.mp4", "a.mkv", "hls:list", "events:clips?class=thing", "cam-%H%M%S.mp4"])
def test_a_file_of_it_cannot_be_written(output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sink = sink_kind(output).open(output, LIVE, Controls(), "refuse")
    with pytest.raises(OutputError, match="external library"):
        sink.write(picture(20_000))
    sink.write(picture(64))
    sink.close()


def test_it_cannot_be_published() -> None:
    with pytest.raises(OutputError, match="rtsp://127.0.0.1/a: .*external library"):
        PublishSink("rtsp://127.0.0.1/a").write(picture(20_000))


def clips(folder: Path) -> None:
    sink = EventsSink(f"events:{folder}?class=thing")
    for width in (64, 96, 64):
        sink.write(picture(width))
    sink.close()


def publishes(folder: Path) -> None:
    with socket.socket() as nobody:  # who does not listen
        nobody.bind(("127.0.0.1", 0))
        sink = PublishSink(f"rtsp://127.0.0.1:{nobody.getsockname()[1]}/a")
        for _ in range(3):
            with pytest.raises(OutputError, match="refused"):
                sink.write(picture(64))


def shows_live(folder: Path) -> None:
    encoding = _Encoding("a")
    for width in (64, 96, 64):
        assert encoding.packets(picture(width), False)


@pytest.mark.parametrize("encodes", [clips, publishes, shows_live])
def test_an_encoder_is_let_go_with_what_it_was_made_in(encodes: Callable[[Path], None], tmp_path: Path) -> None:
    with without_collector(OutputContainer) as more:
        encodes(tmp_path)
        assert more() == 0


@pytest.mark.parametrize("output", ["a.mp4", "hls:list", "cam-%H%M%S.mp4"])
def test_a_file_whose_end_cannot_be_written_is_let_go(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(encoder: Encoder) -> list[object]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.chdir(tmp_path)
    sink = sink_kind(output).open(output, LIVE, Controls(), "refuse")
    with without_collector(OutputContainer) as more:
        sink.write(picture(64))
        with monkeypatch.context() as patched, pytest.raises(OutputError, match="No space left"):
            patched.setattr(Encoder, "flush", full)
            sink.close()
        assert more() == 0
    sink.write(picture(64))
    sink.close()
