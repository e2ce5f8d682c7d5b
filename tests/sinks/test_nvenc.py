"""The encoder of a GPU, of which there is none here: what it is asked for, and what becomes of what it refuses."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamseg.contracts import Shown
from streamseg.frame import Frame
from streamseg.gpu import GpuPlanes
from streamseg.sinks import nvenc, video
from streamseg.sinks.codecs import ENCODINGS, H264, Encoding
from streamseg.sinks.nvenc import encodes
from streamseg.sinks.video import VideoSink
from streamseg.yuv import Planes
from tests.parts.fakes import segmentation


def planes() -> Planes:
    return Planes(av.VideoFrame.from_ndarray(np.full((48, 32), 90, np.uint8), format="yuv420p"))


def test_pictures_on_the_cpu_are_no_work_for_it(caplog: pytest.LogCaptureFixture) -> None:
    assert not encodes(planes(), "a.mp4", H264)
    assert not encodes(np.zeros((32, 32, 3), np.uint8), "a.mp4", H264)
    assert not caplog.records


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_one_that_does_not_open_leaves_it_to_the_cpu_and_a_line_says_so(
    encoding: Encoding, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((48, 32), 90, np.uint8), format="nv12")
    monkeypatch.setattr(Planes, "there", lambda self: frame)
    with caplog.at_level(logging.WARNING, "streamseg"):
        assert not encodes(planes(), "a.mp4", encoding)
    (line,) = caplog.messages
    assert line.startswith("a.mp4: the GPU does not encode it (") and line.endswith("); the CPU does")


@pytest.mark.parametrize("codec", ENCODINGS)
def test_pictures_that_are_drawn_on_the_cpu_later_begin_a_file_of_their_own(
    codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No encoder of a GPU takes them; one of the CPU takes both kinds."""
    began = video._start

    def start(container: Any, encoding: Any, size: Any, colours: Any, options: Any, *, on_gpu: bool) -> Any:
        assert not on_gpu or options == encoding.recorded_there
        return began(container, encoding, size, colours, dict(encoding.recorded), on_gpu=False)

    monkeypatch.setattr(video, "_start", start)
    monkeypatch.setattr(nvenc, "encodes", lambda pixels, name, encoding: pixels.on_gpu is not None)
    monkeypatch.setattr(Planes, "there", Planes.wrapped)
    sink = VideoSink(str(tmp_path / "a.mp4"), codec=codec)
    for index, on_gpu in enumerate([True, True, True, False, False, True]):
        pixels = planes()
        pixels.on_gpu = GpuPlanes(pixels.shape, pixels.colours, 0, 0, 0, 0, ()) if on_gpu else None
        frame = Frame(pixels, index, index / 25, 0.0)
        sink.write(Shown(frame, segmentation(frame), pixels, 0, {}))
    sink.close()
    lengths = {path.name: sum(1 for _ in av.open(path).decode(video=0)) for path in sorted(tmp_path.iterdir())}
    assert lengths == {"a.mp4": 3, "a-2.mp4": 3}
