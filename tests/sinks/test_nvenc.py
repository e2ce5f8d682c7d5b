"""The encoder of a GPU, of which there is none here: what it is asked for, and what becomes of what it refuses."""

from __future__ import annotations

import logging

import av
import numpy as np
import pytest

from streamseg.sinks.nvenc import encodes
from streamseg.yuv import Planes


def planes() -> Planes:
    return Planes(av.VideoFrame.from_ndarray(np.full((48, 32), 90, np.uint8), format="yuv420p"))


def test_pictures_on_the_cpu_are_no_work_for_it(caplog: pytest.LogCaptureFixture) -> None:
    assert not encodes(planes(), "a.mp4")
    assert not encodes(np.zeros((32, 32, 3), np.uint8), "a.mp4")
    assert not caplog.records


def test_one_that_does_not_open_leaves_it_to_the_cpu_and_a_line_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((48, 32), 90, np.uint8), format="nv12")
    monkeypatch.setattr(Planes, "there", lambda self: frame)
    with caplog.at_level(logging.WARNING, "streamseg"):
        assert not encodes(planes(), "a.mp4")
    (line,) = caplog.messages
    assert line.startswith("a.mp4: the GPU does not encode it (") and line.endswith("); the CPU does")
