"""From a frame and what was found in it to what is shown: the one place where a `Shown` is made."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamseg.contracts import Cover, Evaluator, Renderer, Shown
from streamseg.metrics import Meter, Metrics
from streamseg.pipeline.synchronise import Result
from streamseg.rules.event import NOTHING_FOUND


class Drawing:
    """Covers what must not be seen, then draws.

    Views, outputs, viewers and the program that iterates over a stream have a frame from here and from nowhere else,
    so none of them can show, write or send what was covered.
    """

    def __init__(self, cover: Cover | None, evaluate: Evaluator | None, render: Renderer | None, meter: Meter) -> None:
        self._cover, self._evaluate, self._render, self._meter = cover, evaluate, render, meter

    def __call__(self, result: Result, dropped: int, metrics: Callable[[], Metrics]) -> Shown:
        """What is shown of `result`, behind so many frames that were let go; `metrics` reads the run's."""
        frame, segmentation, wait_ms, infer_ms = result
        started_s = time.monotonic()
        try:
            found = self._evaluate(frame, segmentation) if self._evaluate else NOTHING_FOUND  # numbers alone
            frame = self._cover(frame, segmentation) if self._cover else frame
            pixels = self._render(frame, segmentation, metrics(), found) if self._render else frame.pixels
        except BaseException:
            self._meter.failed()
            raise
        now_s = time.monotonic()
        timings_ms = {
            "wait": wait_ms,
            "infer": infer_ms,
            "render": (now_s - started_s) * 1e3,
            "age": (now_s - frame.arrived_s) * 1e3,
            "carried": abs(frame.time_s - segmentation.frame_time_s) * 1e3,
        }
        self._meter.shown(timings_ms, now_s)
        return Shown(frame, segmentation.read_only(), pixels, dropped, timings_ms, *found)
