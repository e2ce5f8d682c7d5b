from __future__ import annotations

import itertools
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import pytest

from streamseg.capture import reconnect
from streamseg.capture.reconnect import ReconnectingSource, opened_apart
from streamseg.contracts import Source
from streamseg.errors import SourceError
from streamseg.frame import Frame
from streamseg.moment import Moment
from streamseg.options import SourceOptions
from streamseg.said import AGAIN_S
from tests.parts.fakes import CountingSource
from tests.parts.leftovers import nothing_left
from tests.parts.patience import PATIENCE_S

OPTIONS = SourceOptions(stall_timeout_s=0.2)


class Script:
    """Opens one prepared source after another; an exception in its place is raised instead."""

    def __init__(self, *scenes: Source | Exception) -> None:
        self.scenes = iter(scenes)
        self.pauses: list[float] = []

    def open(self) -> Source:
        scene = next(self.scenes)
        if isinstance(scene, Exception):
            raise scene
        return scene

    def pause(self, closed: threading.Event, seconds: float) -> None:
        self.pauses.append(seconds)

    def revive(self, jitter: Callable[[], float] = lambda: 1.0) -> ReconnectingSource:
        return ReconnectingSource(self.open, OPTIONS, pause=self.pause, jitter=jitter)


class Blocked(CountingSource):
    """Gives some frames, then blocks where nobody can interrupt it, like a read inside a C library."""

    def __init__(self, count: int) -> None:
        super().__init__(count, live=True)
        self.free = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        yield from super().__iter__()
        self.free.wait(600)


def live(count: int) -> CountingSource:
    return CountingSource(count, live=True)


def take(source: Source, count: int) -> list[Frame]:
    frames = list(itertools.islice(source, count))
    source.close()
    return frames


def test_an_end_is_only_a_pause_and_frames_are_numbered_through() -> None:
    script = Script(live(3), live(2), live(10))
    source = script.revive()
    frames = take(source, 8)
    assert [frame.index for frame in frames] == list(range(8))
    times = [frame.time_s for frame in frames]
    assert times == sorted(times)
    assert source.counters["reconnects"] == 2


def test_a_source_that_is_away_ends_all_the_same_when_it_was_asked_to() -> None:
    """By the clock on the wall: no frame comes any more that could say how late it is."""
    away = (SourceError("refused") for _ in itertools.count())
    script = Script(live(3))
    script.scenes = itertools.chain(script.scenes, away)
    options = SourceOptions(stall_timeout_s=0.2, end=Moment("0.5"))
    source = ReconnectingSource(script.open, options, pause=threading.Event.wait, jitter=lambda: 1.0)
    assert len(list(source)) == 3
    assert source.counters["reconnects"] > 0


class Unchanged(Blocked):
    """Answers for ever after its last frame, and no new one comes of it."""

    waits_for = "another picture than the last"
    patience_s = math.inf

    @property
    def heard_s(self) -> float:
        return time.monotonic()


def test_a_source_that_answers_without_a_new_frame_ends_all_the_same_when_it_was_asked_to() -> None:
    blocked = Unchanged(3)
    source = ReconnectingSource(Script(blocked).open, SourceOptions(stall_timeout_s=0.2, end=Moment("0.5")))
    assert len(list(source)) == 3
    assert source.counters["reconnects"] == 0
    blocked.free.set()


class Waiting(Unchanged):
    """Waits for a frame until it is closed."""

    def close(self) -> None:
        self.free.set()
        super().close()


class Unread(CountingSource):
    """Knows whether anybody asked it for a frame."""

    read = False

    def __iter__(self) -> Iterator[Frame]:
        self.read = True
        return super().__iter__()


def test_a_source_that_gives_no_more_frames_is_ended_with_the_run() -> None:
    waiting = Waiting(3)
    take(ReconnectingSource(Script(waiting).open, OPTIONS), 3)
    assert waiting.closed.wait(PATIENCE_S)


def test_a_source_that_opens_when_nobody_waits_for_it_any_more_is_not_read() -> None:
    opening, may_open = threading.Event(), threading.Event()
    late = Unread(0)

    def slowly() -> Source:
        if not opened:
            opened.append(first := live(1))
            return first
        opening.set()
        may_open.wait(PATIENCE_S)
        return late

    opened: list[Source] = []
    source = ReconnectingSource(slowly, OPTIONS, jitter=lambda: 0.0)
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    assert opening.wait(PATIENCE_S)
    source.close()
    reader.join(PATIENCE_S)
    may_open.set()
    assert late.closed.wait(PATIENCE_S)
    assert not late.read


def test_the_first_opening_fails_aloud() -> None:
    with pytest.raises(SourceError, match="refused"):
        Script(SourceError("refused")).revive()
    with pytest.raises(SourceError, match="OSError"):
        Script(OSError("strange")).revive()


def test_waits_stay_short_for_ten_seconds_then_double_and_start_over_once_frames_flow() -> None:
    failures = [SourceError("refused") for _ in range(16)]
    script = Script(live(1), *failures, live(1), live(5))
    take(script.revive(), 4)
    assert script.pauses == [0.5, *[1.0] * 10, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 0.5]


def test_a_device_is_looked_for_every_second() -> None:
    script = Script(live(1), *[SourceError("no camera") for _ in range(40)], live(5))
    take(ReconnectingSource(script.open, OPTIONS, longest_wait_s=1.0, pause=script.pause, jitter=lambda: 1.0), 3)
    assert script.pauses == [0.5, *[1.0] * 40]


def test_an_outage_is_one_line_for_each_longer_wait(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(live(1), *[SourceError("refused") for _ in range(200)], live(5))
    with caplog.at_level(logging.INFO):
        take(script.revive(), 3)
    assert 1 <= len(caplog.records) <= 7, caplog.text  # the waits of this outage take an hour and a half


def test_an_outage_of_days_is_a_line_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    source = ReconnectingSource(Script(live(1)).open, OPTIONS)
    for _ in range(3):
        source._tell("refused", 30.0, 30.0)
        source._tell("refused", 30.0, 30.0)
        source._told_s -= AGAIN_S
    source.close()
    assert [message.partition(";")[0] for message in caplog.messages] == ["fake: refused"] * 3


def test_a_source_that_flaps_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(*(live(2) for _ in range(300)))
    started_s = time.monotonic()
    with caplog.at_level(logging.INFO):
        take(script.revive(), 500)
    assert len(caplog.records) <= 2 + 2 * (time.monotonic() - started_s)


def test_waits_are_spread_so_that_a_hundred_cameras_do_not_come_at_once() -> None:
    script = Script(live(1), live(5))
    take(script.revive(jitter=lambda: 0.0), 3)
    assert script.pauses == [0.25]


def test_a_wrong_password_waits_as_long_as_it_says() -> None:
    script = Script(live(1), SourceError("wrong password", retry_s=30.0), live(5))
    take(script.revive(), 3)
    assert script.pauses == [0.5, 30.0]


def test_silence_is_noticed_although_the_reader_is_blocked(caplog: pytest.LogCaptureFixture) -> None:
    blocked = Blocked(2)
    source = Script(blocked, live(5)).revive()
    with caplog.at_level(logging.WARNING):
        frames = take(source, 5)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert source.counters["stalls"] == 1
    assert "silent for 0.2 s; trying again" in caplog.text
    assert not blocked.closed.is_set()  # never closed under a read
    blocked.free.set()
    assert blocked.closed.wait(PATIENCE_S)  # but by its own thread, once it comes back


def test_close_is_heard_at_once_by_a_blocked_and_by_a_waiting_source() -> None:
    blocked = Blocked(1)
    source = ReconnectingSource(Script(blocked).open, SourceOptions(stall_timeout_s=600.0))
    waiting = ReconnectingSource(Script(live(1)).open, OPTIONS, jitter=lambda: 1.0)
    for each in (source, waiting):
        timer = threading.Timer(0.1, each.close)
        timer.start()
        assert len(list(each)) == 1
        timer.join()
    blocked.free.set()


def test_what_connections_count_is_summed() -> None:
    scenes = [live(1), live(1), live(3)]
    for scene, errors in zip(scenes, (3, 4, 5), strict=True):
        scene.counters = {"decode_errors": errors}
    source = Script(*scenes).revive()
    take(source, 4)
    assert source.counters["decode_errors"] == 12


def test_a_reader_of_counters_meets_no_connection_twice_while_the_next_one_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []

    class Beginning(reconnect._Connection):
        def __init__(self, open_source: Callable[[], Source]) -> None:
            super().__init__(open_source)
            read.append(source.counters["decode_errors"])

    scenes = [live(1), live(3)]
    for scene, errors in zip(scenes, (3, 4), strict=True):
        scene.counters = {"decode_errors": errors}
    source = Script(*scenes).revive()
    monkeypatch.setattr(reconnect, "_Connection", Beginning)
    take(source, 2)
    assert read == [3]
    assert source.counters["decode_errors"] == 7


def test_opening_apart_has_the_names_of_the_stream_that_asks() -> None:
    name = ContextVar("name", default="")
    name.set("door")
    assert opened_apart(name.get) == "door"


def test_opening_apart_gives_the_value_or_the_error_and_hears_a_signal() -> None:
    assert opened_apart(lambda: 7) == 7
    with pytest.raises(SourceError, match="refused"):
        opened_apart(Script(SourceError("refused")).open)
    free = threading.Event()
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        opened_apart(lambda: free.wait(600))
    free.set()
    timer.join()


def test_no_thread_is_left_after_many_connections() -> None:
    with nothing_left():
        take(Script(*(live(2) for _ in range(60))).revive(), 100)
