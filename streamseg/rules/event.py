"""What rules tell the outputs: events that begin and end, and what was measured in a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import PurePath
from typing import Literal, NamedTuple

import msgspec

EndedBy = Literal["", "rule", "stop", "restart"]
"""Why an event ended: its rule no longer holds; the stream ended; the process died, and this is said by the next."""


DIGITS = 6
"""Behind the point, of times and values."""
MOST_WAITING = 10_000
"""Events that wait for an output, which may hang for days."""
_MOST_CLIPS = 1000


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that began to hold, still holds, or holds no more.

    A stream that ends has no further frame to say so: an output that told of a start tells at its `close` of an end
    (`OpenEvents`).
    """

    id: str
    """One for start, updates and end of the same event, and for no other: a UUID in 32 hexadecimal digits."""
    kind: Literal["start", "update", "end"]
    rule: str
    stream: str
    zone: str = ""
    """Of the rule; "" where it names none, or several."""
    classes: tuple[str, ...] = ()
    began: str
    """When the rule began to hold: UTC as `2026-11-28T09:30:00.125Z`."""
    began_s: float
    """The same on the stream's own clock."""
    at: str
    """UTC of this message."""
    at_s: float
    value: float
    """What the rule measured now: a percentage, a count, seconds or a speed."""
    peak: float
    """The most since it began."""
    unit: str = ""
    """Of value and peak: "%", "", "s", "px/s", "m/s" or "km/h"."""
    scores: Mapping[str, float] = {}
    """How sure the model was of each class when it was there last, 0..1: of its surest object where the rule looks, or
    mean over its pixels. Classes that the model says nothing of are left out."""
    snapshot: str = ""
    """Picture of its beginning, with masks, that an output `events:` keeps; "" where none does, or not yet."""
    clip: str = ""
    """The same of its clip, which is whole some time after the end."""
    ended_by: EndedBy = ""
    """Of an end; "" before it."""


class ZoneReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was measured of one class in a zone or at a line."""

    zone: str
    """Name of the zone or line; "" for the whole picture."""
    class_name: str = msgspec.field(name="class")
    area_percent: float | None = None
    """Share of the zone that lies under the class, 0..100; None at a line."""
    count: int | None = None
    """Objects in the zone; None at a line, and where objects of the class are not told apart."""
    crossings: Mapping[str, int] | None = None
    """Objects that crossed the line so far, by direction: `northwards`, `southwards`, `eastwards`, `westwards`."""


class RuleReading(msgspec.Struct, frozen=True):
    """What a rule measured in a frame, and whether it holds."""

    rule: str
    value: float
    """Of its first condition that holds; of none, the first one."""
    unit: str
    since: str
    """When it began to hold, in UTC; "" while it does not."""


class Findings(NamedTuple):
    """What the rules say of one frame."""

    events: tuple[Event, ...] = ()
    readings: tuple[ZoneReading, ...] = ()
    active: frozenset[str] = frozenset()
    """Zones and lines of which a rule holds."""
    rules: tuple[RuleReading, ...] = ()


NOTHING_FOUND = Findings()


class OpenEvents:
    """The events that an output has told of and that have not ended."""

    def __init__(self) -> None:
        self._open: dict[str, Event] = {}
        self._time_s = 0.0

    def __iter__(self) -> Iterator[Event]:
        return iter(self._open.values())

    def see(self, events: Sequence[Event], time_s: float) -> None:
        """Told those of the frame at `time_s` of the stream."""
        self._time_s = time_s
        for event in events:
            if event.kind == "end":
                self._open.pop(event.id, None)
            else:
                self._open[event.id] = event

    def end(self) -> tuple[Event, ...]:
        """The ends of all of them: the stream has ended."""
        ends = tuple(ended(event, datetime.now(timezone.utc), "stop", at_s=self._time_s) for event in self)
        self._open.clear()
        return ends


class Clips:
    """What outputs keep of the newest thousand events; written and read by any thread."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}

    def add(self, event: Event, clip: str) -> Event:
        """`event` with the names of its files: the first clip that it is in, and the picture beside that."""
        self._files.setdefault(event.id, clip)
        for oldest in list(self._files)[:-_MOST_CLIPS]:
            self._files.pop(oldest, None)  # another thread may have been here
        return self.named(event)

    def remove(self, clip: str) -> None:
        """It could not be written."""
        for id in [id for id, kept in list(self._files.items()) if kept == clip]:
            self._files.pop(id, None)

    def of(self, event: Event) -> str:
        """The first clip that it is in; "" where none is known."""
        return self._files.get(event.id, event.clip)

    def named(self, event: Event) -> Event:
        """`event` with the names of its files, as far as they are known by now."""
        clip = self._files.get(event.id)
        if clip is None:
            return event
        return msgspec.structs.replace(event, snapshot=str(PurePath(clip).with_suffix(".jpg")), clip=clip)


def ended(event: Event, at: datetime, why: EndedBy, *, at_s: float | None = None) -> Event:
    """The end of `event`, which is `at` as far as is known; `at_s` is the same on the stream's clock."""
    at_s = event.at_s if at_s is None else round(at_s, DIGITS)
    return msgspec.structs.replace(event, kind="end", at=written(at), at_s=at_s, ended_by=why)


def written(at: datetime) -> str:
    """`at` as events have it: UTC as `2026-11-28T09:30:00.125Z`."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """The moment that stands in an event as text.

    Raises:
        ValueError: it is none.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
