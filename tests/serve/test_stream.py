from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamseg.config import RunOptions
from streamseg.infer import load_recipe
from streamseg.infer.share import share_networks
from streamseg.serve import stream as module
from streamseg.serve.stream import Stream
from tests.parts.toy_models import picky

PATIENCE_S = 60.0


def until(met: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def held() -> tuple[int, set[str]]:
    """Open files, and threads of streams."""
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith("streamseg")}
    return len(list(Path("/proc/self/fd").iterdir())), names


def test_a_stream_that_fails_a_hundred_times_leaves_nothing_behind_and_loses_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(module, "_LONGEST_WAIT_S", 0.001)
    monkeypatch.setattr(module._log, "disabled", True)
    options = RunOptions(
        source="test://?size=96x64&fps=500", model=str(picky(tmp_path / "picky.onnx")), target="quality"
    )
    load = share_networks(load_recipe)

    def fail(times: int) -> Stream:
        stream = Stream("poisoned", options, load)
        stream.start()
        until(lambda: stream.read().restarts >= times)
        stream.stop()
        assert stream.join(PATIENCE_S)
        return stream

    fail(2)  # libraries keep some files open once they were used
    before = held()
    stream = fail(100)
    reading = stream.read()
    assert (reading.state, reading.ready) == ("stopped", False)
    assert "picky.onnx" in reading.error
    metrics = reading.metrics
    assert metrics.failed >= 90
    assert metrics.captured == metrics.failed + sum(metrics.dropped.values())
    assert held() == before


def test_a_file_is_shown_once_and_is_then_finished(tmp_path: Path) -> None:
    options = RunOptions(source="test://?frames=7", model="otsu", outputs=(str(tmp_path / "rows.jsonl"),))
    stream = Stream("file", options, load_recipe)
    stream.start()
    assert stream.join(PATIENCE_S)
    reading = stream.read()
    assert (reading.state, reading.ready, reading.metrics.shown, reading.restarts) == ("finished", True, 7, 0)
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 7


def test_a_stream_that_is_stopped_while_it_waits_ends_at_once() -> None:
    stream = Stream("away", RunOptions(source="rtsp://u:hunter2@127.0.0.1:9/cam", model="otsu"), load_recipe)
    stream.start()
    until(lambda: stream.read().state == "waiting")
    assert "hunter2" not in stream.read().error + stream.source
    stream.stop()
    assert stream.join(PATIENCE_S)
