"""What rules tell the outputs: events that begin and end, and what was measured in a frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that began to hold, still holds, or holds no more.

    A stream that ends has no further frame to say so: an output that told of a start tells at its `close` of an end.
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


class Findings(NamedTuple):
    """What the rules say of one frame."""

    events: tuple[Event, ...] = ()
    readings: tuple[ZoneReading, ...] = ()
    active: frozenset[str] = frozenset()
    """Zones and lines of which a rule holds."""


NOTHING_FOUND = Findings()
