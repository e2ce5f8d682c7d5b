"""The output that a service adds to each stream: what was shown last, and how long each stage took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate

from streamseg.contracts import Shown

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper ends of a histogram's buckets, in seconds; the last bucket has none."""


class Latest:
    """Keeps one frame, and a histogram a stage; written by the stream's thread, read by any."""

    blocking = False
    needs_image = True
    unwritten = 0

    def __init__(self) -> None:
        self.shown: Shown | None = None
        self.stages: dict[str, Histogram] = {}
        self.on_new: Callable[[], object] | None = None
        """Called after each frame while a viewer is connected."""

    def write(self, shown: Shown) -> None:
        """Takes the newest frame."""
        for stage, value_ms in shown.timings_ms.items():
            self.stages.setdefault(stage, Histogram()).add(value_ms / 1e3)
        self.shown = shown
        if (on_new := self.on_new) is not None:
            on_new()

    def close(self) -> None:
        """Nothing: the last picture stays to be looked at."""


class Histogram:
    """Counts of seconds by bucket."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def cumulative(self) -> list[tuple[str, int]]:
        """(upper end, count of all up to there), the last `+Inf`."""
        return list(zip([*map(str, BOUNDS_S), "+Inf"], accumulate(self._counts), strict=True))
