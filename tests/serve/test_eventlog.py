from __future__ import annotations

from typing import Literal

from streamseg.rules.event import Event
from streamseg.serve.eventlog import EventLog


def event(number: int, kind: Literal["start", "end"] = "start") -> Event:
    return Event(id=f"{number:032x}", kind=kind, rule="busy", stream="door", began="2026-11-28T09:30:00.125Z",
                 began_s=1.0, at="2026-11-28T09:30:00.125Z", at_s=1.0, value=1.0, peak=1.0)  # fmt: skip


def test_an_event_is_there_once_as_it_was_told_of_last() -> None:
    log = EventLog()
    log.see([event(1), event(2)])
    log.see([event(1, "end")])
    assert [each.kind for each in log.all()] == ["end", "start"]
    assert log.counts == {"busy": 2}


def test_what_lasts_ends_with_its_stream() -> None:
    log = EventLog()
    log.see([event(1, "end"), event(2)])
    log.end()
    assert [(each.kind, each.ended_by) for each in log.all()] == [("end", ""), ("end", "stop")]


def test_the_newest_thousand_are_kept() -> None:
    log = EventLog()
    log.see([event(number) for number in range(1500)])
    assert [each.id for each in log.all()] == [event(number).id for number in range(500, 1500)]
    assert log.counts["busy"] == 1500
