from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from streamseg.config import RunOptions, make_options
from streamseg.infer import load_segmenter
from streamseg.infer.batching import share_networks
from streamseg.options import SourceOptions
from streamseg.said import Said
from streamseg.serve import stream as module
from streamseg.serve.stream import Stream
from tests.parts.leftovers import nothing_left
from tests.parts.patience import PATIENCE_S, until
from tests.parts.rtsp import free_port
from tests.parts.toy_models import picky


def test_a_stream_that_fails_a_hundred_times_leaves_nothing_behind_and_loses_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(module, "_LONGEST_WAIT_S", 0.001)
    monkeypatch.setattr(module._log, "disabled", True)
    options = RunOptions(
        source="test://?size=96x64&fps=500",
        model=str(picky(tmp_path / "picky.onnx")),
        backend="ort-cpu",  # ONNX Runtime before 1.24 blames the machine, and the next backend would be taken
        target="quality",
    )
    load = share_networks(load_segmenter)

    def fail(times: int) -> Stream:
        stream = Stream("poisoned", options, load, Said())
        stream.start()
        until(lambda: stream.read().restarts >= times)
        stream.stop()
        assert stream.join(PATIENCE_S)
        return stream

    fail(2)  # libraries keep some files open once they were used
    with nothing_left():
        stream = fail(100)
    reading = stream.read()
    assert (reading.state, reading.ready) == ("stopped", True)
    assert "picky.onnx" in reading.error
    metrics = reading.metrics
    assert metrics.failed >= 90
    assert metrics.captured == metrics.failed + sum(metrics.dropped.values())


def test_a_file_is_shown_once_and_is_then_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[str] = []
    monkeypatch.setattr(module, "give_back", lambda: given_back.append("memory"))
    options = RunOptions(source="test://?frames=7", model="otsu", outputs=(str(tmp_path / "rows.jsonl"),))
    stream = Stream("file", options, load_segmenter, Said())
    stream.start()
    assert stream.join(PATIENCE_S)
    reading = stream.read()
    assert (reading.state, reading.ready, reading.metrics.shown, reading.restarts) == ("finished", True, 7, 0)
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 7
    assert given_back == ["memory"]


def test_rows_and_events_are_of_the_stream_that_the_configuration_names(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    options = make_options(
        {
            "source": "test://?frames=7",
            "model": "otsu",
            "outputs": [str(rows), f"events:{tmp_path / 'clips'}?rule=any"],
            "rules": {"any": "foreground.area > 0 %"},
        }
    )
    stream = Stream("front-door", options, load_segmenter, Said())
    stream.start()
    assert stream.join(PATIENCE_S)
    told = [json.loads(line) for line in rows.read_text().splitlines()]
    assert {row["stream"] for row in told} == {"front-door"}
    assert [(each["kind"], each["stream"]) for row in told for each in row["events"]] == [
        ("start", "front-door"), ("end", "front-door"),
    ]  # fmt: skip
    (story,) = (tmp_path / "clips").glob("*.json")
    assert json.loads(story.read_text())["stream"] == "front-door"


def test_messages_that_wait_for_a_receiver_are_counted(tmp_path: Path) -> None:
    hook = f"webhook:http://127.0.0.1:{free_port()}/?queue={tmp_path / 'q'}"
    asked = {
        "source": "test://?frames=9",
        "model": "otsu",
        "outputs": [hook],
        "rules": {"any": "foreground.area > 0 %"},
    }
    stream = Stream("file", make_options(asked), load_segmenter, Said())
    stream.start()
    assert stream.join(PATIENCE_S)
    assert stream.read().messages == (2, 0)


@pytest.mark.parametrize("login", ["u:hunter2", "u:12/hunter2", "u:my hunter2", "u:p@hunter2/s"])
def test_a_stream_that_is_stopped_while_it_waits_ends_at_once(login: str) -> None:
    stream = Stream("away", RunOptions(source=f"rtsp://{login}@127.0.0.1:9/cam", model="otsu"), load_segmenter, Said())
    stream.start()
    until(lambda: stream.read().state == "waiting")
    assert "hunter2" not in stream.read().error + stream.source
    stream.stop()
    assert stream.join(PATIENCE_S)


def test_a_stream_of_which_few_frames_are_taken_is_not_stalled_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLACK_S", 0.0)
    options = RunOptions(
        source="test://?size=96x64&fps=30", model="otsu", capture=SourceOptions(every=9000, stall_timeout_s=0.05)
    )
    stream = Stream("slow", options, load_segmenter, Said())
    stream.start()
    until(lambda: (stream.read().age_s or 0.0) > 0.2)
    reading = stream.read()
    assert (reading.state, reading.ready) == ("running", True)
    stream.stop()
    assert stream.join(PATIENCE_S)


def test_a_stream_that_is_stopped_in_the_moment_in_which_it_begins_ends() -> None:
    options = RunOptions(source="test://?size=64x64&fps=50", model="otsu")
    stream = Stream("one", options, share_networks(load_segmenter), Said())

    class Stopped(threading.Event):
        asked = False

        def is_set(self) -> bool:
            before = super().is_set()
            if stream._state == "opening" and not before and not self.asked and stream._controls.clips is stream.clips:
                self.asked = True  # by another thread, behind the look and before what is made of it
                stream.stop()
            return before

    stream._stopped = Stopped()
    stream.start()
    until(lambda: stream.gone)
    assert stream.join(PATIENCE_S / 10)
