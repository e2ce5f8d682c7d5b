"""A file shown at its own speed, by outputs that others watch while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamseg.contracts import Shown, Sink

_LONGEST_WAIT_S = 1.0


class Paced:
    """A sink that is given each picture when its time has come."""

    def __init__(
        self, sink: Sink, *, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.blocking, self.needs_image = sink.blocking, sink.needs_image
        self._sink, self._now, self._sleep = sink, now, sleep
        self._began_s: float | None = None

    @property
    def unwritten(self) -> int:
        """Those of the sink."""
        return self._sink.unwritten

    def write(self, shown: Shown) -> None:
        """Waits, then hands the picture on; the clock is set by the first, and again by one that is late."""
        time_s, now_s = shown.frame.time_s, self._now()
        lead_s = -1.0 if self._began_s is None else self._began_s + time_s - now_s
        if 0 <= lead_s <= _LONGEST_WAIT_S:
            self._sleep(lead_s)
        else:
            self._began_s = now_s - time_s
        self._sink.write(shown)

    def close(self) -> None:
        """Closes the sink."""
        self._sink.close()
