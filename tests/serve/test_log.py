from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from streamseg.serve.log import STREAM, set_up_logging


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    logger = logging.getLogger("streamseg")
    before = logger.handlers, logger.level, logger.propagate
    text = io.StringIO()
    set_up_logging(as_json=True, debug=False, to=text)
    yield text
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def storm(stream: str, lines: int) -> None:
    token = STREAM.set(stream)
    for number in range(lines):
        logging.getLogger("streamseg.any").warning("rtsp://u:hunter2@host/1: failure %d", number)
    STREAM.reset(token)


def rows(text: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.getvalue().splitlines()]


def test_a_storm_is_held_back_stream_by_stream_and_counted(
    written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr("streamseg.serve.log.time.monotonic", lambda: now_s)
    storm("yard", 1000)
    storm("door", 1)
    assert [row["stream"] for row in rows(written)] == ["yard"] * 5 + ["door"]
    for _ in range(100):  # ten seconds of ten failures a second
        now_s += 0.1
        storm("yard", 1)
    late = [row for row in rows(written) if row["stream"] == "yard"][5:]
    assert 3 <= len(late) <= 5
    assert 995 + 15 <= int(str(late[0]["held_back"])) <= 995 + 25


def test_lines_of_the_service_itself_pass_and_no_line_holds_a_password(written: io.StringIO) -> None:
    storm("", 20)
    assert len(rows(written)) == 20
    assert "hunter2" not in written.getvalue()
    assert "rtsp://***@host/1" in written.getvalue()


def test_a_line_is_one_line(written: io.StringIO) -> None:
    try:
        raise ValueError("two\nlines of rtsp://u:hunter2@host/1")
    except ValueError:
        logging.getLogger("streamseg.any").exception("broken")
    assert len(written.getvalue().splitlines()) == 1
    assert "hunter2" not in written.getvalue()
