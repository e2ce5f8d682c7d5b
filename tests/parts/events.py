"""Events of no rule, and frames that carry them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Literal

import msgspec

from streamseg.contracts import Shown
from streamseg.rules.event import Event, ZoneReading, written
from tests.parts.fakes import frame, segmentation


def event(kind: Literal["start", "update", "end"] = "start", *, rule: str = "long crack", id: str = "") -> Event:
    now = written(datetime.now(timezone.utc))
    return Event(
        id=id or uuid.uuid4().hex, kind=kind, rule=rule, stream="fake", zone="belt", classes=("thing",), began=now,
        began_s=1.0, at=now, at_s=1.5, value=2.25, peak=2.5, unit="%",
    )  # fmt: skip


def later(of: Event, kind: Literal["update", "end"], value: float = 1.0) -> Event:
    at, why = written(datetime.now(timezone.utc)), "rule" if kind == "end" else ""
    return msgspec.structs.replace(of, kind=kind, value=value, at=at, ended_by=why)


def frame_with(events: Sequence[Event] = (), readings: Sequence[ZoneReading] = (), index: int = 0) -> Shown:
    one = frame(index)
    return Shown(one, segmentation(one), one.pixels, 0, {}, tuple(events), tuple(readings))
