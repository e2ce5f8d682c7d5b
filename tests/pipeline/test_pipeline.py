from __future__ import annotations

import itertools
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.metrics import Meter, Metrics
from streamseg.pipeline.pipeline import Pipeline
from streamseg.segmentation import Segmentation
from tests.parts.fakes import CountingSource, ListSink, Marker, frame


def accounted(metrics: Metrics) -> bool:
    return metrics.captured == metrics.shown + metrics.failed + sum(metrics.dropped.values())


def threads() -> set[str]:
    """A pipeline's own; sources of other tests may still wait for their cameras."""
    own = ("streamseg-capture", "streamseg-infer", "streamseg-sink")
    return {thread.name for thread in threading.enumerate() if thread.name.startswith(own)}


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [1, 3, 7])
@pytest.mark.parametrize("count", [1, 20, 64])
def test_a_file_gives_every_frame_in_order(workers: int, batch: int, count: int) -> None:
    jitter = random.Random(0)
    pipeline = Pipeline(
        CountingSource(count),
        lambda: Marker(lambda _: time.sleep(jitter.random() * 0.001)),
        workers=workers,
        batch=batch,
    )
    shown = list(pipeline)
    assert [one.frame.index for one in shown] == list(range(count))
    assert all(one.segmentation.frame_index == one.frame.index for one in shown)
    assert all(one.dropped == 0 for one in shown)
    metrics = pipeline.metrics()
    assert (metrics.captured, metrics.shown, metrics.inferred, dict(metrics.dropped)) == (count, count, count, {})
    assert not threads()


def test_a_source_of_ones_own_whose_numbers_run_back_drops_nothing() -> None:
    """As a player that is wound back does; what is left out on the way forward is counted."""

    class Back(CountingSource):
        def __iter__(self) -> Iterator[Frame]:
            yield from map(frame, (3, 2, 1, 4, 0))

    assert [one.dropped for one in Pipeline(Back(), Marker)] == [0, 0, 0, 2, 0]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_file_without_a_frame_is_an_error_and_its_outputs_are_closed(workers: int) -> None:
    sink = ListSink()
    with pytest.raises(InputError, match="fake: no frame in it"):
        Pipeline(CountingSource(0), Marker, sinks=[sink], workers=workers).run()
    assert sink.closed == 1
    assert not threads()


def test_a_file_without_a_frame_is_an_error_in_a_later_run_of_its_stream_as_well() -> None:
    meter = Meter()
    assert Pipeline(CountingSource(3), Marker, meter=meter).run().shown == 3
    with pytest.raises(InputError, match="fake: no frame in it"):
        Pipeline(CountingSource(0), Marker, meter=meter).run()


class Unplugged(CountingSource):
    def close(self) -> None:
        super().close()
        raise OSError("unplugged")


def test_outputs_are_closed_and_threads_end_whatever_the_source_says_to_its_end() -> None:
    sink, blocking = ListSink(blocking=False), ListSink()
    with pytest.raises(OSError, match="unplugged"):
        Pipeline(Unplugged(6), Marker, sinks=[sink, blocking]).run()
    assert len(sink.shown) == len(blocking.shown) == 6
    assert sink.closed == blocking.closed == 1
    assert not threads()
    with pytest.raises(OSError, match="unplugged"):
        Pipeline(Unplugged(6), Marker, sinks=[sink]).close()
    assert sink.closed == 2


def test_a_run_that_is_over_gives_nothing_more() -> None:
    pipeline = Pipeline(CountingSource(3), Marker)
    assert len(list(pipeline)) == 3
    pipeline.source.close()
    assert list(pipeline) == []


def test_who_ends_a_run_before_its_first_frame_is_not_told_that_there_was_none() -> None:
    pipeline = Pipeline(CountingSource(0), Marker)
    pipeline.stop()
    assert list(pipeline) == []


def test_a_batch_is_filled_for_a_file_and_never_waited_for_live() -> None:
    markers: list[Marker] = []

    def make() -> Marker:
        markers.append(Marker())
        return markers[-1]

    Pipeline(CountingSource(10), make, batch=4).run()
    assert markers[0].batches == [4, 4, 2]
    Pipeline(CountingSource(5, live=True, interval_s=0.001), make, batch=4).run()
    assert set(markers[1].batches) == {1}


def test_a_slow_model_on_a_live_source_costs_frames_not_delay() -> None:
    source = CountingSource(200, live=True, interval_s=0.001)
    behind: list[int] = []

    def slow(one: Frame) -> None:
        behind.append(source.given - one.index)  # how many came since the one that it is given
        source.until_ahead(one, 4)

    pipeline = Pipeline(source, lambda: Marker(slow))
    shown = list(pipeline)
    metrics = pipeline.metrics()
    assert metrics.captured == 200
    assert metrics.shown <= 200 / 4 + 1
    assert accounted(metrics)
    assert metrics.dropped["newer"] == 200 - metrics.shown
    assert [one.frame.index for one in shown] == sorted(one.frame.index for one in shown)
    assert sum(one.dropped for one in shown) + len(shown) == shown[-1].frame.index + 1
    late = len(behind) // 2  # no growth: the second half is as fresh as the first
    assert statistics.median(behind[late:-1]) <= 2 * statistics.median(behind[:late]) + 2


def _raise(error: Exception) -> Callable[..., None]:
    def do(*_: object) -> None:
        raise error

    return do


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("place", ["source", "make", "segmenter", "render", "sink", "blocking sink"])
def test_an_error_anywhere_ends_the_run_and_reaches_the_caller(live: bool, workers: int, place: str) -> None:
    boom = ValueError(place)

    def on_seventh(value: Frame | Shown) -> None:
        index = value.index if isinstance(value, Frame) else value.frame.index
        if index >= 7:
            raise boom

    def render(frame: Frame, segmentation: Segmentation, metrics: Metrics, *_: object) -> Image:
        if place == "render":
            on_seventh(frame)
        return frame.image

    def make() -> Marker:
        if place == "make":
            raise boom
        return Marker(on_seventh if place == "segmenter" else lambda _: None)

    sinks = [ListSink(), ListSink(blocking=False)]
    if place in ("sink", "blocking sink"):
        sinks[0] = ListSink(blocking=place == "blocking sink", work=on_seventh)
    source = CountingSource(
        9 if place == "source" else None,
        live=live,
        interval_s=0.001 if live else 0.0,
        error=boom if place == "source" else None,
    )
    pipeline = Pipeline(source, make, render=render, sinks=sinks, workers=workers)
    with pytest.raises(ValueError, match=place):
        pipeline.run()
    assert source.closed.is_set()
    assert [sink.closed for sink in sinks] == [1, 1]
    assert accounted(pipeline.metrics())
    assert not threads()


def test_leaving_the_loop_closes_everything() -> None:
    source, sink = CountingSource(None), ListSink()
    pipeline = Pipeline(source, Marker, sinks=[sink], workers=2)
    shown = list(itertools.islice(pipeline, 5))
    assert len(shown) == 5
    del shown
    for _ in pipeline:
        break
    assert source.closed.is_set()
    assert sink.closed
    assert accounted(pipeline.metrics())


@pytest.mark.parametrize("nth", [0, 1, 2, 3])
@pytest.mark.parametrize("runs", [False, True], ids=["no more threads", "ctrl-c"])
def test_what_ends_a_run_while_its_threads_start_ends_them(
    nth: int, runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, begun = threading.Thread.start, itertools.count()

    def start(thread: threading.Thread) -> None:
        last = next(begun) == nth
        if runs or not last:
            begin(thread)
        if last:
            raise KeyboardInterrupt if runs else RuntimeError("can't start new thread")

    source, sinks = CountingSource(None), [ListSink(), ListSink(), ListSink(blocking=False)]
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt if runs else RuntimeError):
        Pipeline(source, Marker, sinks=sinks).run()
    assert not threads()
    assert source.closed.is_set()
    assert [sink.closed for sink in sinks] == [1, 1, 1]


@pytest.mark.parametrize("live", [False, True])
def test_quit_ends_an_endless_run_and_outputs_keep_what_was_shown(live: bool) -> None:
    controls, sink = Controls(), ListSink()
    pipeline = Pipeline(CountingSource(None, live=live, interval_s=0.001), Marker, sinks=[sink], controls=controls)
    for one in pipeline:
        if one.frame.index >= 20:
            pipeline.stop()
    metrics = pipeline.metrics()
    assert sink.closed == 1
    assert len(sink.shown) == metrics.shown - metrics.unwritten
    assert accounted(metrics)
    assert not threads()


def test_quit_is_heard_while_nothing_comes() -> None:
    controls = Controls()
    silent = CountingSource(None, live=True, interval_s=600.0)
    pipeline = Pipeline(silent, Marker, controls=controls)
    timer = threading.Timer(0.05, pipeline.stop)
    timer.start()
    assert pipeline.run().shown == 0
    timer.join()


def test_a_slow_output_of_a_file_slows_the_file_and_loses_nothing() -> None:
    sink = ListSink(work=lambda _: time.sleep(0.002))
    assert Pipeline(CountingSource(50), Marker, sinks=[sink]).run().unwritten == 0
    assert [one.frame.index for one in sink.shown] == list(range(50))


def test_a_stuck_output_of_a_live_source_is_counted_and_holds_nothing_up() -> None:
    free = threading.Event()
    stuck, good = ListSink(work=lambda _: free.wait()), ListSink(blocking=False)
    pipeline = Pipeline(CountingSource(60, live=True, interval_s=0.002), Marker, sinks=[stuck, good])
    for one in pipeline:
        if one.frame.index >= 50:
            free.set()
    metrics = pipeline.metrics()
    assert len(good.shown) == metrics.shown
    assert metrics.unwritten == metrics.shown - len(stuck.shown) > 0


@pytest.mark.parametrize("seed", range(30))
def test_frames_are_accounted_for_whenever_a_run_is_stopped(seed: int) -> None:
    dice = random.Random(seed)
    live, workers = dice.random() < 0.5, dice.randint(1, 3)
    source = CountingSource(None, live=live, interval_s=0.0005 if live else 0.0)
    pipeline = Pipeline(source, Marker, sinks=[ListSink(), ListSink(blocking=False)], workers=workers)
    timer = threading.Timer(dice.random() * 0.05, pipeline.stop)
    timer.start()
    metrics = pipeline.run()
    timer.join()
    assert accounted(metrics)
    assert metrics.in_flight == 0
    assert not threads()
