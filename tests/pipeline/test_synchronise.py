"""Masks that are carried: which frames are shown, with which masks, and that each is accounted for."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict

import pytest

from streamseg.contracts import Controls, Shown
from streamseg.frame import Frame, Image
from streamseg.metrics import Metrics
from streamseg.options import Effort
from streamseg.pipeline.pipeline import Pipeline
from streamseg.pipeline.scheduler import InferenceScheduler, Target
from streamseg.pipeline.trial import Trial
from streamseg.segmentation import Segmentation
from tests.parts.fakes import CountingSource, ListSink, Marker, Shifter
from tests.parts.patience import PATIENCE_S
from tests.pipeline.test_pipeline import accounted, threads


def carrying(
    source: CountingSource,
    marker: Marker,
    target: Target = "fps",
    workers: int = 1,
    controls: Controls | None = None,
    effort: Effort | None = None,
) -> Pipeline:
    return Pipeline(
        source,
        lambda: marker,
        workers=workers,
        make_propagator=Shifter,
        pace=InferenceScheduler(target, source.info, effort, workers),
        controls=controls,
    )


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 5, 6, 23, 64])
def test_in_a_file_the_network_looks_at_some_frames_and_all_come_out_in_order(workers: int, count: int) -> None:
    jitter = random.Random(0)
    source = CountingSource(count)
    marker = Marker(lambda _: time.sleep(jitter.random() * 0.002))
    pipeline = carrying(source, marker, workers=workers, effort="quick")
    every = pipeline.pace.every
    assert every == 10
    shown = list(pipeline)
    assert [one.frame.index for one in shown] == list(range(count))
    for one in shown:
        assert one.segmentation.confidence is not None
        assert int(one.segmentation.confidence[0, 0]) == one.frame.index  # carried onto this very frame
        assert one.segmentation.frame_index % every == 0
        if one.frame.index % every == 0:
            assert one.segmentation.frame_index == one.frame.index
    metrics = pipeline.metrics()
    assert (metrics.captured, metrics.shown, metrics.inferred) == (count, count, -(-count // every))
    assert accounted(metrics)
    assert not threads()


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("own", [True, False])
def test_in_a_file_frames_come_in_order_however_often_the_network_looks(workers: int, own: bool) -> None:
    source = CountingSource(300)
    pipeline = carrying(source, Marker(), workers=workers)

    class Settling(Trial):
        def __init__(self) -> None:
            super().__init__(10, workers)
            self.now_s = 0.0

        def shown(self, now_s: float, *, own: bool) -> None:
            self.now_s += 0.002 if own == itself else 0.003
            super().shown(self.now_s, own=own)

        def looked(self, seconds: float) -> None:
            super().looked(0.0005)

    itself = own
    pipeline.pace._trial = Settling()
    shown = list(pipeline)
    assert [one.frame.index for one in shown] == list(range(300))
    for one in shown:
        assert one.segmentation.confidence is not None
        assert int(one.segmentation.confidence[0, 0]) == one.frame.index % 256
    owns = [one.segmentation.frame_index == one.frame.index for one in shown]
    assert sum(owns[:20]) < 10
    assert any(all(owns[start : start + 10]) for start in range(200))
    assert (sum(owns[-50:]) == 50) == own
    assert pipeline.metrics().inferred == sum(owns)
    assert accounted(pipeline.metrics())


def test_what_is_spent_is_handed_to_what_carries_and_said() -> None:
    for live in (False, True):
        propagator, source = Shifter(), CountingSource(30, live=live, interval_s=0.005)
        pace = InferenceScheduler("fps", source.info, "fine")
        Pipeline(source, Marker, make_propagator=lambda: propagator, pace=pace).run()  # noqa: B023
        assert propagator.effort == "fine"
        assert str(pace.explain()).endswith(", effort fine")


def test_a_slow_network_on_a_live_source_costs_no_frames() -> None:
    source = CountingSource(150, live=True, interval_s=0.005)
    pipeline = carrying(source, Marker(lambda one: source.until_ahead(one, 5)))
    for one in pipeline:
        assert one.segmentation.confidence is not None
        assert int(one.segmentation.confidence[0, 0]) == one.frame.index
        assert one.segmentation.frame_index <= one.frame.index
    metrics = pipeline.metrics()
    assert metrics.inferred <= 150 / 5 + 1
    assert metrics.shown > metrics.inferred
    assert accounted(metrics)
    assert "carried by motion" in str(pipeline.pace.explain())


@pytest.mark.slow
def test_a_quick_network_gives_every_live_frame_its_own_mask() -> None:
    pipeline = carrying(CountingSource(40, live=True, interval_s=0.1), Marker(lambda _: time.sleep(0.02)))
    own = [one.segmentation.frame_index == one.frame.index for one in pipeline]
    assert sum(own[10:]) > 0.5 * len(own[10:])  # nearly all, where nothing else wants the cores


def test_for_low_latency_nothing_is_waited_for() -> None:
    seen: dict[int, threading.Event] = defaultdict(threading.Event)
    marker = Marker(lambda one: one.index < 10 or seen[one.index].wait(PATIENCE_S) or pytest.fail("waited for"))
    for one in carrying(CountingSource(40, live=True, interval_s=0.005), marker, "latency"):
        for index in range(one.frame.index + 1):  # those that were let go as well
            seen[index].set()


def test_for_low_power_the_network_rests_twice_as_long_as_it_works() -> None:
    marker = Marker(lambda _: time.sleep(0.02))
    started_s = time.monotonic()
    pipeline = carrying(CountingSource(None, live=True, interval_s=0.01), marker, "power")
    for _ in pipeline:
        if pipeline.metrics().inferred >= 10:
            pipeline.stop()
    metrics = pipeline.metrics()
    assert metrics.inferred <= (time.monotonic() - started_s) / 0.06 + 2


def test_for_quality_every_frame_that_is_shown_was_looked_at() -> None:
    source = CountingSource(60, live=True, interval_s=0.001)
    pipeline = carrying(source, Marker(lambda one: source.until_ahead(one, 4)), "quality")
    assert all(one.segmentation.frame_index == one.frame.index for one in pipeline)
    metrics = pipeline.metrics()
    assert metrics.dropped["newer"] > 0
    assert accounted(metrics)


def test_frames_that_pile_up_live_are_seen_by_the_motion_but_not_shown() -> None:
    propagator = Shifter()
    source = CountingSource(80, live=True, interval_s=0.001)
    pipeline = Pipeline(
        source, Marker, make_propagator=lambda: propagator, pace=InferenceScheduler("latency", source.info)
    )
    shown = []
    for one in pipeline:
        shown.append(one.frame.index)
        source.until_ahead(one.frame, 3)
    metrics = pipeline.metrics()
    assert len(shown) == metrics.shown < 60
    assert len(propagator.seen) > 1.5 * len(shown)
    assert accounted(metrics)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("place", ["source", "make", "segmenter", "render", "mover", "sink", "blocking sink"])
def test_an_error_anywhere_ends_the_run_and_accounts_for_every_frame(live: bool, place: str) -> None:
    boom = ValueError(place)

    def on_seventh(value: Frame | Shown) -> None:
        if (value.index if isinstance(value, Frame) else value.frame.index) >= 7:
            raise boom

    def render(frame: Frame, segmentation: Segmentation, metrics: Metrics, *_: object) -> Image:
        if place == "render":
            on_seventh(frame)
        return frame.image

    class Breaking(Shifter):
        def observe(self, frame: Frame) -> None:
            if place == "mover":
                on_seventh(frame)
            super().observe(frame)

    def make() -> Marker:
        if place == "make":
            raise boom
        return Marker(on_seventh if place == "segmenter" else lambda _: None)

    sink = ListSink(blocking=place == "blocking sink", work=on_seventh if "sink" in place else lambda _: None)
    source = CountingSource(
        None if place != "source" else 9, live=live, interval_s=0.002 if live else 0.0,
        error=boom if place == "source" else None,
    )  # fmt: skip
    pipeline = Pipeline(
        source, make, render=render, sinks=[sink], make_propagator=Breaking, pace=InferenceScheduler("fps", source.info)
    )
    with pytest.raises(ValueError, match=place):
        pipeline.run()
    assert sink.closed == 1
    assert accounted(pipeline.metrics())
    assert not threads()


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_accounted_for_whenever_a_run_is_stopped(seed: int) -> None:
    dice = random.Random(seed)
    live, workers = dice.random() < 0.5, dice.randint(1, 3)
    source = CountingSource(None, live=live, interval_s=0.001 if live else 0.0)
    pipeline = carrying(source, Marker(lambda _: time.sleep(dice.random() * 0.004)), workers=workers)
    timer = threading.Timer(dice.random() * 0.08, pipeline.stop)
    timer.start()
    metrics = pipeline.run()
    timer.join()
    assert accounted(metrics)
    assert not threads()
