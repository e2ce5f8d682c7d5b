"""What an encoder refuses, as x264 a side of 20,000 pixels, is told like any other failure of an output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import OutputError
from streamseg.frame import Frame
from streamseg.segmentation import Segmentation
from streamseg.sinks import sink_kind
from streamseg.sinks.publish import PublishSink
from tests.parts.fakes import CLASSES, LIVE


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
