"""The newest events of a stream's rules, as each was told of last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone

from streamseg.rules.event import Event, ended

_MOST = 1000


class EventLog:
    """Written by the stream's thread, read by any."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}
        self.counts: Counter[str] = Counter()
        """How many began, by rule."""

    def see(self, events: Sequence[Event]) -> None:
        """Takes those of the newest frame."""
        for event in events:
            self.counts[event.rule] += event.kind == "start"
            self._events[event.id] = event
            while len(self._events) > _MOST:
                del self._events[next(iter(self._events))]

    def end(self) -> None:
        """The stream has ended, and with it what lasted."""
        now = datetime.now(timezone.utc)
        self.see([ended(event, now, "stop") for event in self.all() if event.kind != "end"])

    def all(self) -> list[Event]:
        """In the order in which they began."""
        return list(self._events.values())
