"""One network for many streams: closed while it runs, and interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from streamseg.contracts import SegmenterFactory
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer.batching import DynamicBatcher
from streamseg.model import load
from tests.parts.fakes import CLASSES, Marker, frame
from tests.parts.patience import PATIENCE_S, until


def batcher(marker: Marker) -> DynamicBatcher:
    return DynamicBatcher(SegmenterFactory("fake", CLASSES, lambda threads: marker, parallel=True, most=1))


def started(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """A thread that calls, and what came of it."""
    came: list[object] = []

    def run() -> None:
        try:
            came.append(call())
        except BaseException as error:
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, came


def test_a_network_is_closed_behind_the_run_that_is_under_way() -> None:
    begun, go = threading.Event(), threading.Event()

    def work(_: Frame) -> None:
        begun.set()
        assert go.wait(PATIENCE_S)
        assert not marker.closed

    marker = Marker(work)
    model = load(marker)
    thread, came = started(lambda: model(frame().image))
    assert begun.wait(PATIENCE_S)
    model.close()
    assert not marker.closed
    go.set()
    thread.join(PATIENCE_S)
    assert marker.closed
    assert [type(each).__name__ for each in came] == ["Result"]
    with pytest.raises(InputError, match="is closed"):
        model(frame().image)


def test_a_stream_that_joins_while_the_last_one_runs_keeps_the_network() -> None:
    begun, go = threading.Event(), threading.Event()

    def work(one: Frame) -> None:
        begun.set()
        assert go.wait(PATIENCE_S)

    marker = Marker(work)
    network = batcher(marker)
    first = network.join(1)
    thread, _ = started(lambda: first([frame(1)]))
    assert begun.wait(PATIENCE_S)
    first.close()
    second = network.join(1)
    go.set()
    thread.join(PATIENCE_S)
    assert not marker.closed
    assert second([frame(2)])[0].labels[0, 0] == 2
    second.close()
    assert marker.closed


def test_an_interrupt_ends_the_thread_that_it_is_for_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, led = threading.Event(), threading.Event(), threading.Event()
    other = interrupted = threading.current_thread()

    def work(one: Frame) -> None:
        if one.index == 1:
            begun.set()
            assert go.wait(PATIENCE_S)
        elif threading.current_thread() is interrupted:
            led.set()
            raise KeyboardInterrupt

    network = batcher(Marker(work))
    wait_for = network._turn.wait_for

    def held_back(predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """The stream of frame 2 leads only after the one of frame 3, which finds the older request first."""
        return wait_for(lambda: (led.is_set() or threading.current_thread() is not other) and predicate(), timeout)

    monkeypatch.setattr(network._turn, "wait_for", held_back)
    members = [network.join(1) for _ in range(3)]
    first, _ = started(lambda: members[0]([frame(1)]))
    assert begun.wait(PATIENCE_S)
    other, others = started(lambda: members[1]([frame(2)])[0].labels[0, 0])
    until(lambda: len(network._waiting) == 1, "the second waits")
    interrupted, own = started(lambda: members[2]([frame(3)]))
    until(lambda: len(network._waiting) == 2, "the third waits")
    go.set()
    for thread in (first, other, interrupted):
        thread.join(PATIENCE_S)
    assert others == [2]
    assert [type(each) for each in own] == [KeyboardInterrupt]
    assert members[0]([frame(4)])[0].labels[0, 0] == 4
    assert network._waiting == []
