"""One turn of one candidate: the real pipeline over frames in memory, for a fraction of a second."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from streamseg.contracts import Controls, Segmenter
from streamseg.frame import Frame, Image, StreamInfo
from streamseg.options import RenderOptions
from streamseg.pipeline.pipeline import Pipeline
from streamseg.render import make_renderer

_LEAST_FRAMES = 5


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn showed."""

    rate: float
    """Frames a second."""
    latency_ms: float
    """From a frame to its picture, median."""
    cpu_ms: float
    """Processor time a frame, of all threads."""


def measure(make: Callable[[], Segmenter], workers: int, images: Sequence[Image], seconds: float) -> Turn:
    """Runs `workers` segmenters side by side over `images` again and again, overlay drawn; loading does not count.

    Raises:
        StreamsegError: a segmenter cannot be made or fails.
    """
    render = make_renderer(RenderOptions(), Controls())
    shown = iter(Pipeline(_Again(images), make, render=render, workers=workers))
    for _ in range(2 * workers):
        next(shown)
    latencies_ms: list[float] = []
    started_s, cpu_s = time.perf_counter(), time.process_time()
    while len(latencies_ms) < _LEAST_FRAMES or time.perf_counter() - started_s < seconds:
        timings_ms = next(shown).timings_ms
        latencies_ms.append(timings_ms["infer"] + timings_ms["render"])
    wall_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    shown.close()  # type: ignore[attr-defined]
    n = len(latencies_ms)
    return Turn(n / wall_s, statistics.median(latencies_ms), cpu_s * 1e3 / n)


class _Again:
    """A source without an end: the same images in turn."""

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = images
        self._closed = False
        self.counters: dict[str, int] = {}
        height, width = images[0].shape[:2]
        self.info = StreamInfo("memory", width, height, None, live=False)

    def __iter__(self) -> Iterator[Frame]:
        for index, image in enumerate(itertools.cycle(self._images)):
            if self._closed:
                return
            yield Frame(image, index, float(index), time.monotonic(), self.info.name)

    def close(self) -> None:
        self._closed = True
