"""Keeps a live stream going when an output fails: frames are let go and counted until the output works again."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable

from streamseg.contracts import Shown, Sink, Watched
from streamseg.errors import OutputError
from streamseg.rules.event import Event
from streamseg.said import SETTLED_S, Said

_log = logging.getLogger(__name__)
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_MOST_EVENTS = 10_000


class Retrying:
    """A sink that is tried again for ever: after half a second, then twice as long, up to half a minute.

    A line says why it failed, once an hour for each reason, and one that it works again. Events of rules in frames that
    were let go come with the next one, up to ten thousand of them; those of a frame that failed may come twice.
    """

    def __init__(
        self, sink: Sink, *, now: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ) -> None:
        self.blocking, self.needs_image = sink.blocking, sink.needs_image
        self._sink, self._now, self._jitter = sink, now, jitter
        self._refused = self._lost = 0
        self._owed: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self._due_s, self._wait_s = 0.0, _FIRST_WAIT_S
        self._reason, self._said, self._told = "", Said(now), False
        self._well_s = now()

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
        if self._reason and self._now() < self._due_s:
            self._refused += 1
            self._owed.extend(shown.events)
            return
        try:
            self._sink.write(shown.with_events(tuple(self._owed)))
        except OutputError as error:
            self._refused += 1
            self._owed.extend(shown.events)
            self._pause(error)
        else:
            self._owed.clear()
            if self._reason:
                self._go_on()

    def close(self) -> None:
        """Closes the sink."""
        self._sink.close()

    def _pause(self, error: OutputError) -> None:
        if not self._reason:
            self._lost = self.unwritten - 1
            if self._now() - self._well_s >= SETTLED_S:
                self._said = Said(self._now)
        line = f"{error}; the stream continues without it, and it is tried again"
        self._told = self._said.once(_log, logging.WARNING, line) or self._told
        self._reason = str(error)
        self._due_s = self._now() + max(error.retry_s, self._wait_s * (0.5 + 0.5 * self._jitter()))
        self._wait_s = min(_LONGEST_WAIT_S, self._wait_s * 2)

    def _go_on(self) -> None:
        if self._told:
            lost = self.unwritten - self._lost
            _log.warning("works again; %d frames were not written, since: %s", lost, self._reason)
        self._reason, self._told, self._wait_s, self._well_s = "", False, _FIRST_WAIT_S, self._now()
