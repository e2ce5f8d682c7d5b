from __future__ import annotations

import json

import msgspec

from streamseg.contracts import Shown
from streamseg.rules.event import Event, ZoneReading
from tests.parts.fakes import frame, segmentation


def test_an_event_is_a_flat_object_and_comes_back_from_it() -> None:
    event = Event(
        id="0" * 32, kind="start", rule="crack", stream="belt", zone="belt", classes=("crack",),
        began="2026-11-28T09:30:00.125Z", began_s=1.5, at="2026-11-28T09:30:02.125Z", at_s=3.5,
        value=0.7, peak=0.9, unit="%",
    )  # fmt: skip
    text = msgspec.json.encode(event)
    assert list(json.loads(text)) == [
        "id", "kind", "rule", "stream", "zone", "classes", "began", "began_s", "at", "at_s", "value", "peak", "unit",
    ]  # fmt: skip
    assert msgspec.json.decode(text, type=Event) == event


def test_a_reading_holds_what_was_measured_and_nothing_else() -> None:
    readings = (
        ZoneReading("belt", "crack", area_percent=0.5),
        ZoneReading("gate", "car", crossings={"southwards": 2, "northwards": 0}),
    )
    assert json.loads(msgspec.json.encode(readings)) == [
        {"zone": "belt", "class": "crack", "area_percent": 0.5},
        {"zone": "gate", "class": "car", "crossings": {"southwards": 2, "northwards": 0}},
    ]


def test_a_frame_without_rules_has_neither() -> None:
    one = frame()
    shown = Shown(one, segmentation(one), one.image, 0, {})
    assert (shown.events, shown.readings) == ((), ())
