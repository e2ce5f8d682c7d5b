from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamseg.errors import SourceError
from streamseg.pipeline.pipeline import Pipeline
from streamseg.pipeline.reading import SourceReader, anybody_looks
from streamseg.sinks.retry import Retrying
from tests.parts import clips
from tests.parts.fakes import CountingSource, ListSink, Marker
from tests.parts.http_answers import Handler, say
from tests.parts.http_server import http_server
from tests.parts.program import run_program


class Screen(ListSink):
    """An output that somebody looks at, or not."""

    wanted = False


def test_the_frames_of_a_live_stream_are_let_go_while_no_output_is_wanted() -> None:
    one, other = Screen(), Screen()
    wanted = anybody_looks([one, other])
    assert [frame.index for frame in SourceReader(CountingSource(20, live=True), wanted)] == [
        0
    ]  # which opens the outputs
    other.wanted = True
    assert [frame.index for frame in SourceReader(CountingSource(20, live=True), wanted)] == list(range(20))


def test_a_file_is_read_to_its_end_whether_or_not_anybody_looks() -> None:
    assert len(list(SourceReader(CountingSource(20), anybody_looks([Screen()])))) == 20


def test_an_output_that_does_not_tell_is_always_wanted() -> None:
    assert anybody_looks([])()
    assert not anybody_looks([Screen(), Retrying(Screen())])()
    assert anybody_looks([Screen(), ListSink()])()
    assert anybody_looks([Screen(), Retrying(ListSink())])()


def test_what_came_of_a_file_that_breaks_off_is_shown_and_then_it_is_an_error() -> None:
    sink = ListSink()
    source = CountingSource(10, error=SourceError("broke off"))
    with pytest.raises(SourceError, match="broke off"):
        Pipeline(source, Marker, sinks=[sink], workers=2).run()
    assert [shown.frame.index for shown in sink.shown] == list(range(10))


@pytest.mark.parametrize(
    "source", [CountingSource(0, error=SourceError("gone")), CountingSource(5, live=True, error=SourceError("gone"))]
)
def test_without_a_frame_or_live_it_is_an_error_at_once(source: CountingSource) -> None:
    with pytest.raises(SourceError, match="gone"):
        list(SourceReader(source))


def test_a_defect_is_an_error_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        list(SourceReader(CountingSource(5, error=ZeroDivisionError())))


def test_a_run_over_a_film_that_breaks_off_keeps_what_came_and_says_so(tmp_path: Path) -> None:
    film = clips.clip(tmp_path / "a.ts", format="mpegts").read_bytes()
    rows = tmp_path / "rows.jsonl"

    def cut_off(handler: Handler) -> None:
        say(handler, 200, {"Content-Length": str(len(film))}, film[: len(film) // 2])

    with http_server(cut_off) as (url, _):
        words = ["run", f"{url}/a.ts", str(rows), "--model", "threshold"]
        done = run_program(*words)
    assert done.returncode == 3, done.stderr
    assert "broke off: 0.0 of 0.0 MB came" in done.stderr
    assert "Traceback" not in done.stderr
    indices = [json.loads(line)["index"] for line in rows.read_text().splitlines()]
    assert indices == list(range(len(indices)))
    assert 10 < len(indices) < 50
