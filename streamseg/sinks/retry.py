"""Keeps a live stream going when an output fails: frames are let go and counted until the output works again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from streamseg.contracts import Shown, Sink, Watched
from streamseg.errors import OutputError
from streamseg.rules.event import Event
from streamseg.sinks.outage import Outage

_log = logging.getLogger(__name__)
_LONGEST_WAIT_S = 30.0


class Retrying:
    """A sink that is tried again for ever: after half a second, then twice as long, up to half a minute.

    A line says why it failed, once an hour for each reason, and one that it works again. Events of rules in frames that
    were let go come with the next one, up to ten thousand of them; those of a frame that failed may come twice.
    """

    def __init__(
        self, sink: Sink, *, now: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ) -> None:
        self.blocking, self.needs_image = sink.blocking, sink.needs_image
        self._sink, self._now = sink, now
        self._outage = Outage(_log, _LONGEST_WAIT_S, now, jitter)
        self._refused = self._lost = 0
        self._owed: tuple[Event, ...] = ()
        self._due_s = 0.0

    @property
    def unwritten(self) -> int:
        """Frames let go, and those that the sink lost by itself."""
        return self._refused + self._sink.unwritten

    @property
    def wanted(self) -> bool:
        """What the sink says, where it tells."""
        return self._sink.wanted if isinstance(self._sink, Watched) else True

    def write(self, shown: Shown) -> None:
        """Hands one frame on, or counts it."""
        shown, self._owed = shown.with_events(self._owed), ()
        if self._outage.reason and self._now() < self._due_s:
            self._refuse(shown)
            return
        try:
            self._sink.write(shown)
        except OutputError as error:
            self._refuse(shown)
            self._pause(error)
        else:
            if self._outage.reason:
                self._outage.works(f"works again; {self.unwritten - self._lost} frames were not written")

    def close(self) -> None:
        """Closes the sink."""
        self._sink.close()

    def _refuse(self, shown: Shown) -> None:
        self._refused += 1
        self._owed = shown.events

    def _pause(self, error: OutputError) -> None:
        if not self._outage.reason:
            self._lost = self.unwritten - 1
        line = f"{error}; the stream continues without it, and it is tried again"
        self._due_s = self._now() + self._outage.fails(str(error), line, error.retry_s)
