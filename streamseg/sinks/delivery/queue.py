"""Messages on their way to one receiver: in order, bounded, and on disk until the receiver has them."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from streamseg.rules.event import Event, ended, read_time
from streamseg.said import Said
from streamseg.sinks.delivery.journal import Journal
from streamseg.sinks.delivery.message import Message

_log = logging.getLogger(__name__)
MOST = 10_000
"""Messages that wait at most; some 10 MB of memory and disk."""
OLDEST = timedelta(days=7)
"""How long one waits at most."""


def utc() -> datetime:
    """Now."""
    return datetime.now(timezone.utc)


class Queue:
    """What one receiver has still to be told; from any thread.

    Memory has all of it, and `journal` the same on disk; where the disk fails, it is written there as soon as that
    works again. Of an event's updates only the newest waits. Events that were open when an
    earlier run died are ended at once.
    """

    def __init__(
        self,
        name: str,
        journal: Journal | None,
        *,
        most: int = MOST,
        now: Callable[[], datetime] = utc,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lost = 0
        """Messages that were dropped, because too many waited or for too long, or that the receiver will never take."""
        self._name, self._journal, self._most, self._now, self._clock = name, journal, most, now, clock
        self._changed, self._said = threading.Condition(), Said()
        self._messages: dict[int, Message] = {}
        # By `clock`, when each began to wait: the clock on the wall is set, by years where a machine begins without.
        self._since_s: dict[int, float] = {}
        self._open: dict[str, Event] = {}
        self._last, self._in_step, self._closed = 0, True, False
        if journal is not None:
            self._messages, left = journal.load()
            self._since_s = {number: clock() - _age_s(each.event.at, now()) for number, each in self._messages.items()}
            self._last = max(self._messages, default=0)
            self._open = {event.id: event for event in left}
        for event in self.open_events:
            self.put(ended(event, self._now(), "restart"))

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    @property
    def open_events(self) -> tuple[Event, ...]:
        """Events of which a start was told and no end."""
        with self._changed:
            return tuple(self._open.values())

    def put(self, event: Event) -> None:
        """Adds what is to be told; a second start, or the end of what never started, is left out."""
        with self._changed:
            before = self._open.get(event.id)
            if self._closed or (before is None) != (event.kind == "start"):
                return
            older = [
                number
                for number, waits in self._messages.items()
                if waits.event.id == event.id and waits.event.kind == "update"
            ]
            for number in older:
                self._take(number)
            dropped = self._make_room()
            self._last += 1
            added = {self._last: Message(event=event, before=before)}
            self._messages.update(added)
            self._since_s[self._last] = self._clock()
            ends = event.kind == "end"
            if ends:
                del self._open[event.id]
            else:
                self._open[event.id] = event
            opened, closed = ([], [event.id]) if ends else ([event], [])
            removed = [*older, *dropped]
            self._write(lambda journal: journal.write(added=added, removed=removed, opened=opened, closed=closed))
            self._changed.notify_all()

    def first(self, timeout_s: float) -> tuple[int, Message] | None:
        """Number and message of the oldest; None once `timeout_s` has passed without any, or the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages or self._closed, timeout_s)
            return None if self._closed else next(iter(self._messages.items()), None)

    def done(self, number: int) -> None:
        """The receiver has it."""
        with self._changed:
            if not self._closed and self._take(number) is not None:
                self._write(lambda journal: journal.write(removed=[number]))

    def set_aside(self, number: int, why: str) -> None:
        """The receiver will never take it: kept on disk to be looked at, and counted as lost."""
        with self._changed:
            message = self._take(number)
            if message is None or self._closed:
                return
            self.lost += 1
            if self._journal is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._journal.set_aside(number, message, why)

    def left(self) -> str:
        """What still waits, in words; empty where nothing does."""
        count = len(self._messages)
        if not count:
            return ""
        waits = f"{count} message{'' if count == 1 else 's'}"
        where = self._journal.path if self._journal is not None and self._in_step else None
        return f"{waits} wait{'s' if count == 1 else ''} in {where} for the next run" if where else f"{waits} lost"

    def wake(self) -> None:
        """Lets `first` look again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Lets go of the file; what waits stays in it."""
        with self._changed:
            if self._closed:
                return
            if not self._in_step:
                self._write(lambda journal: None)
            self._closed = True
            if self._journal is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._journal.close()
            self._changed.notify_all()

    def _take(self, number: int) -> Message | None:
        """Out of what waits; None where it does not."""
        self._since_s.pop(number, None)
        return self._messages.pop(number, None)

    def _make_room(self) -> list[int]:
        """Drops what is too old, and the oldest of too many."""
        limit_s = self._clock() - OLDEST.total_seconds()
        gone: list[int] = []
        for number in self._messages:
            if len(self._messages) - len(gone) < self._most and self._since_s[number] >= limit_s:
                break
            gone.append(number)
        for number in gone:
            self._take(number)
        if gone:
            self.lost += len(gone)
            line = f"more than {self._most} messages wait, or one for {OLDEST.days} days: the oldest are dropped"
            self._said.once(_log, logging.WARNING, f"{self._name}: {line}")
        return gone

    def _write(self, change: Callable[[Journal], None]) -> None:
        """Brings the file in step, by the last `change` or as a whole; of one that cannot be written a line says so."""
        if self._journal is None:
            return
        try:
            if self._in_step:
                change(self._journal)
            else:
                self._journal.rewrite(self._messages, self._open.values())
                _log.warning("%s: messages are kept on disk again", self._name)
        except sqlite3.Error as error:
            line = f"{self._journal.path}: {error}; messages wait in memory alone"
            self._said.once(_log, logging.WARNING, f"{self._name}: {line}")
            self._in_step = False
        else:
            self._in_step = True


def _age_s(at: str, now: datetime) -> float:
    """How long ago `at` was; 0 where that cannot be told, or a clock was set back meanwhile."""
    try:
        return max(0.0, (now - read_time(at)).total_seconds())
    except (ValueError, TypeError):  # no time, or one without its zone
        return 0.0
