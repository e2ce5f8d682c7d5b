"""The output that a service adds to each stream: what was shown last, and how long each stage took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate

from streamseg.contracts import Shown
from streamseg.serve.eventlog import EventLog

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper ends of a histogram's buckets, in seconds; the last bucket has none."""

_Listener = Callable[[], object]


class Latest:
    """Keeps one frame, and a histogram a stage; written by the stream's thread, read by any."""

    blocking = False
    needs_image = True
    unwritten = 0

    def __init__(self) -> None:
        self.shown: Shown | None = None
        self.stages: dict[str, Histogram] = {}
        self.events = EventLog()
        self._listeners: tuple[_Listener, ...] = ()  # replaced whole, so that a frame in another thread sees one

    def write(self, shown: Shown) -> None:
        """Takes the newest frame."""
        for stage, value_ms in shown.timings_ms.items():
            self.stages.setdefault(stage, Histogram()).add(value_ms / 1e3)
        if shown.events:
            self.events.see(shown.events)
        self.shown = shown
        for listener in self._listeners:
            listener()

    def listen(self, listener: _Listener) -> None:
        """Calls it after each frame, from the stream's thread, until `unlisten`."""
        self._listeners = (*self._listeners, listener)

    def unlisten(self, listener: _Listener) -> None:
        """Calls it no more; one that is not there is ignored."""
        self._listeners = tuple(each for each in self._listeners if each != listener)

    def close(self) -> None:
        """Ends what lasted; the last picture stays to be looked at."""
        self.events.end()


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
