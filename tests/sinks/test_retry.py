from __future__ import annotations

import logging

import pytest

from streamseg.contracts import Shown
from streamseg.errors import InputError, OutputError
from streamseg.pipeline.pipeline import Pipeline
from streamseg.sinks.retry import Retrying
from tests.parts.fakes import CountingSource, ListSink, Marker
from tests.sinks.test_files import shown


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def failing(error: Exception) -> ListSink:
    def work(_: Shown) -> None:
        raise error

    return ListSink(work=work)


def test_a_failing_output_is_tried_less_and_less_often_and_each_frame_is_counted() -> None:
    clock, tries = Clock(), []

    def work(_: Shown) -> None:
        tries.append(clock.now_s)
        raise OutputError("disk: full")

    sink = Retrying(ListSink(work=work), now=clock, jitter=lambda: 1.0)
    for tick in range(1200):
        clock.now_s = tick / 10
        sink.write(shown(tick % 50))
    assert sink.unwritten == 1200
    assert tries == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5]


def test_one_line_for_a_reason_and_one_when_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    reasons = ["disk: full"] * 3 + ["disk: gone"] * 2

    def work(_: Shown) -> None:
        if reasons:
            raise OutputError(reasons.pop(0))

    kept = ListSink(work=work)
    sink = Retrying(kept, now=clock, jitter=lambda: 1.0)
    with caplog.at_level(logging.WARNING):
        for index in range(10):
            clock.now_s += 60
            sink.write(shown(index))
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "disk: full",
        "disk: gone",
        "works again",
    ]
    assert "5 frames" in caplog.records[-1].getMessage()
    assert [one.frame.index for one in kept.shown] == [5, 6, 7, 8, 9]
    assert sink.unwritten == 5


def test_a_long_outage_is_a_line_an_hour_and_the_next_one_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    sink = Retrying(failing(OutputError("disk: full")), now=clock, jitter=lambda: 1.0)
    for minute in range(3 * 60):
        clock.now_s = minute * 60.0
        sink.write(shown(minute % 50))
    assert len(caplog.records) == 3
    broken = [True, False, True]
    sink = Retrying(ListSink(work=lambda _: fail() if broken.pop(0) else None), now=clock, jitter=lambda: 1.0)
    caplog.clear()
    for index in range(3):
        clock.now_s += 60
        sink.write(shown(index))
    assert [message.partition(";")[0] for message in caplog.messages] == [
        "disk: full",
        "works again",
        "disk: full",
    ]


def test_an_output_that_comes_and_goes_is_not_a_line_each_time(caplog: pytest.LogCaptureFixture) -> None:
    """As where two runs publish at one address, and each throws the other out."""
    clock, tries = Clock(), iter(range(1000))
    sink = Retrying(ListSink(work=lambda _: fail() if next(tries) % 2 else None), now=clock, jitter=lambda: 1.0)
    for second in range(600):
        clock.now_s = float(second)
        sink.write(shown(second % 50))
    assert sink.unwritten == 300
    assert [message.partition(";")[0] for message in caplog.messages] == ["disk: full", "works again"]


def fail() -> None:
    raise OutputError("disk: full")


def test_an_error_may_ask_for_a_longer_wait() -> None:
    clock, tries = Clock(), []

    def work(_: Shown) -> None:
        tries.append(clock.now_s)
        raise OutputError("server: wrong password", retry_s=20)

    sink = Retrying(ListSink(work=work), now=clock, jitter=lambda: 1.0)
    for tick in range(50):
        clock.now_s = float(tick)
        sink.write(shown(tick))
    assert tries == [0, 20, 40]


def test_a_mistake_is_not_waited_out() -> None:
    with pytest.raises(InputError, match="no class"):
        Retrying(failing(InputError("no class"))).write(shown())


def test_a_live_stream_goes_on_without_an_output_and_counts_what_it_missed() -> None:
    good = ListSink()
    pipeline = Pipeline(
        CountingSource(100, live=True, interval_s=0.001),
        Marker,
        sinks=[Retrying(failing(OutputError("disk: full"))), good],
    )
    metrics = pipeline.run()
    assert metrics.unwritten >= metrics.shown
    assert len(good.shown) + metrics.unwritten - metrics.shown == metrics.shown
    assert metrics.shown + sum(metrics.dropped.values()) == 100


def test_a_file_ends_with_the_error_of_its_output() -> None:
    with pytest.raises(OutputError, match="full"):
        Pipeline(CountingSource(100), Marker, sinks=[failing(OutputError("disk: full"))]).run()
