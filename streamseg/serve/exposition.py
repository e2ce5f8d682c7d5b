"""Prometheus metrics of all streams, read at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamseg import __version__
from streamseg.serve.stream import Stream, StreamStatus

_REASONS = ("newer", "stopped")
_FRAMES = {
    "captured": "Frames that came from the source.",
    "inferred": "Frames that the model has looked at.",
    "shown": "Frames that reached their end.",
    "covered_whole": "Frames shown with everything covered, for want of a mask that says what to hide.",
    "failed": "Frames that the model or the drawing failed on.",
    "unwritten": "Shown frames that an output was too slow to take.",
}


def registry(streams: Callable[[], list[Stream]], viewers: Callable[[], int]) -> CollectorRegistry:
    """What /metrics shows."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_Streams(streams, viewers))
    ProcessCollector(registry=made)
    return made


class _Streams(Collector):
    def __init__(self, streams: Callable[[], list[Stream]], viewers: Callable[[], int]) -> None:
        self._streams, self._viewers = streams, viewers

    def collect(self) -> Iterator[Metric]:
        streams = self._streams()
        readings = [(stream.name, stream.read()) for stream in streams]
        yield from _frames(readings)
        yield from _state(readings)
        yield _stages(streams)
        yield _areas(streams)
        yield GaugeMetricFamily("streamseg_viewers", "Clients that watch a moving picture.", self._viewers())
        build = GaugeMetricFamily("streamseg_build_info", "The version that runs.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build


def _frames(readings: list[tuple[str, StreamStatus]]) -> Iterator[Metric]:
    """captured = shown + failed + dropped by reason + in flight: each stream's figures are of one moment."""
    for field, text in _FRAMES.items():
        family = CounterMetricFamily(f"streamseg_frames_{field}", text, labels=["stream"])
        for name, reading in readings:
            family.add_metric([name], getattr(reading.metrics, field))
        yield family
    dropped = CounterMetricFamily("streamseg_frames_dropped", "Frames let go.", labels=["stream", "reason"])
    flying = GaugeMetricFamily("streamseg_frames_in_flight", "Frames whose end is still open.", labels=["stream"])
    for name, reading in readings:
        for reason in dict.fromkeys([*_REASONS, *reading.metrics.dropped]):
            dropped.add_metric([name, reason], reading.metrics.dropped.get(reason, 0))
        flying.add_metric([name], reading.metrics.in_flight)
    yield dropped
    yield flying


def _state(readings: list[tuple[str, StreamStatus]]) -> Iterator[Metric]:
    ready = GaugeMetricFamily("streamseg_stream_ready", "1 where the newest frame is fresh.", labels=["stream"])
    age = GaugeMetricFamily("streamseg_frame_age_seconds", "Age of the newest frame shown.", labels=["stream"])
    restarts = CounterMetricFamily(
        "streamseg_restarts", "Times the stream failed and was restarted.", labels=["stream"]
    )
    events = CounterMetricFamily(
        "streamseg_source_events", "What the source met and got over, such as reconnects.", labels=["stream", "event"]
    )
    waiting = GaugeMetricFamily(
        "streamseg_messages_waiting", "Messages about events that receivers do not have yet.", labels=["stream"]
    )
    lost = CounterMetricFamily(
        "streamseg_messages_lost", "Those that they will never have: too many waited, or refused.", labels=["stream"]
    )
    for name, reading in readings:
        waiting.add_metric([name], reading.messages[0])
        lost.add_metric([name], reading.messages[1])
        ready.add_metric([name], reading.ready)
        restarts.add_metric([name], reading.restarts)
        if reading.age_s is not None:
            age.add_metric([name], reading.age_s)
        for event in dict.fromkeys(["reconnects", *reading.events]):
            events.add_metric([name, event], reading.events.get(event, 0))
    yield from (ready, age, restarts, events, waiting, lost)


def _stages(streams: list[Stream]) -> Metric:
    family = HistogramMetricFamily(
        "streamseg_stage_seconds",
        "Time of a frame by stage: wait for the network, infer, render; age when shown; carried by motion.",
        labels=["stream", "stage"],
    )
    for stream in streams:
        for stage, histogram in list(stream.latest.stages.items()):
            family.add_metric([stream.name, stage], histogram.cumulative(), histogram.sum_s)
    return family


def _areas(streams: list[Stream]) -> Metric:
    family = GaugeMetricFamily(
        "streamseg_class_area_ratio", "Share of the newest frame under a class, 0 to 1.", labels=["stream", "class"]
    )
    for stream in streams:
        if (shown := stream.latest.shown) is not None:
            found = shown.segmentation
            for name, share in zip(found.classes.names, found.areas(), strict=True):
                family.add_metric([stream.name, name], float(share))
    return family
