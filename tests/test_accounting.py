"""Every frame ends in exactly one counter, whichever stage fails, slows down or is stopped, and whenever."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from streamseg.capture.reconnect import ReconnectingSource
from streamseg.contracts import Renderer, Shown, Source
from streamseg.frame import Frame, Image
from streamseg.metrics import Metrics
from streamseg.options import SourceOptions
from streamseg.pipeline.pipeline import Pipeline
from streamseg.pipeline.scheduler import InferenceScheduler, Target
from streamseg.segmentation import Segmentation
from tests.parts.fakes import CountingSource, ListSink, Marker, Shifter
from tests.parts.fakes import frame as frame_of

FAULTS = (
    *("nothing", "source", "source breaks off", "sizes", "make", "segmenter", "too few", "too many", "slow segmenter"),
    *("segmenter close", "render", "slow render", "sink", "slow sink", "blocking sink", "sink close", "quit", "leave"),
)


class InjectedError(Exception):
    """Put in on purpose."""


class Counted:
    """A source that counts for itself what it gave away."""

    def __init__(self, inner: Source) -> None:
        self.info, self.counters, self.close = inner.info, inner.counters, inner.close
        self._inner = inner
        self.given = 0

    def __iter__(self) -> Iterator[Frame]:
        for one in self._inner:
            self.given += 1
            yield one


class Sizes(CountingSource):
    """Changes its size at every fifth frame."""

    def __iter__(self) -> Iterator[Frame]:
        for one in super().__iter__():
            yield frame_of(one.index, *((48, 64) if one.index // 5 % 2 else (96, 32)))


class Miscounts(Marker):
    """From its seventh frame on it loses or invents a segmentation."""

    def __init__(self, by: int) -> None:
        super().__init__()
        self._by = by

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        found = super().__call__(frames)
        return (found * 2)[: len(found) + self._by] if frames[-1].index >= 7 else found


class Unclosable(Marker):
    def close(self) -> None:
        raise InjectedError("segmenter close")


def fails_from(index: int, fault: str) -> Callable[[Frame | Shown], None]:
    def work(value: Frame | Shown) -> None:
        if (value.index if isinstance(value, Frame) else value.frame.index) >= index:
            raise InjectedError(fault)

    return work


def make_source(fault: str, live: bool) -> Source:
    interval_s = 0.0005 if live else 0.0
    if fault == "source":
        return CountingSource(20, live=live, interval_s=interval_s, error=InjectedError(fault))
    if fault == "source breaks off":
        open_one = lambda: CountingSource(9, live=True, interval_s=0.001)  # noqa: E731
        return ReconnectingSource(
            open_one, SourceOptions(stall_timeout_s=5), pause=lambda closed, _: closed.wait(0.002)
        )
    kind = Sizes if fault == "sizes" else CountingSource
    return kind(60, live=live, interval_s=interval_s)


def make_segmenter(fault: str) -> Callable[[], Marker]:
    def make() -> Marker:
        if fault == "make":
            raise InjectedError(fault)
        if fault in ("too few", "too many"):
            return Miscounts(-1 if fault == "too few" else 1)
        if fault == "segmenter close":
            return Unclosable()
        return Marker({"segmenter": fails_from(11, fault), "slow segmenter": _slow}.get(fault, _nothing))

    return make


def make_sinks(fault: str) -> list[ListSink]:
    if fault == "sink close":
        return [ListSink(), UnclosableSink()]
    works = {"blocking sink": fails_from(5, fault), "slow sink": _slow}
    direct = fails_from(9, fault) if fault == "sink" else _nothing
    return [ListSink(work=works.get(fault, _nothing)), ListSink(blocking=False, work=direct)]


class UnclosableSink(ListSink):
    def close(self) -> None:
        raise InjectedError("sink close")


def make_render(fault: str) -> Renderer:
    work = {"render": fails_from(13, fault), "slow render": _slow}.get(fault, _nothing)

    def render(frame: Frame, segmentation: Segmentation, metrics: Metrics, *_: object) -> Image:
        work(frame)
        return frame.image

    return render


def _slow(_: object) -> None:
    time.sleep(0.002)


def _nothing(_: object) -> None:
    """Goes well."""


@contextmanager
def watched(pipeline: Pipeline) -> Iterator[list[Metrics]]:
    """Readings taken from another thread all the while."""
    readings: list[Metrics] = []
    done = threading.Event()

    def read() -> None:
        while not done.wait(0.0005):
            readings.append(pipeline.metrics())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield readings
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("target", ["quality", "fps", "latency", "power"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fault", FAULTS)
def test_every_frame_ends_in_exactly_one_counter(fault: str, seed: int, target: Target) -> None:
    dice = random.Random(f"{fault} {seed} {target}")
    live = fault == "source breaks off" or seed % 2 == 0
    source, sinks = Counted(make_source(fault, live)), make_sinks(fault)
    pipeline = Pipeline(
        source,
        make_segmenter(fault),
        render=make_render(fault),
        sinks=sinks,
        workers=dice.randint(1, 3),
        batch=dice.choice([1, 1, 3]),
        make_propagator=None if target == "quality" else Shifter,
        pace=InferenceScheduler(target, source.info),
    )
    seen, last = 0, dice.randrange(5, 40)
    with watched(pipeline) as readings:
        try:
            for shown in pipeline:
                seen += 1
                if shown.frame.index >= last and fault in ("quit", "source breaks off"):
                    pipeline.stop()
                elif shown.frame.index >= last and fault == "leave":
                    break
        except (InjectedError, ValueError) as error:
            assert fault in str(error) or "segmentations for" in str(error)
    metrics = pipeline.metrics()
    assert metrics.captured == source.given
    assert metrics.captured == metrics.shown + metrics.failed + sum(metrics.dropped.values())
    assert all(reading.in_flight >= 0 for reading in readings)
    assert metrics.shown - seen in (0, 1)  # one more where a sink raised on it
    if fault not in ("sink", "blocking sink", "leave"):
        blocking = [sink for sink in sinks if sink.blocking]
        assert sum(len(sink.shown) for sink in blocking) + metrics.unwritten == metrics.shown * len(blocking)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("streamseg-infer")]
