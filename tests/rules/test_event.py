from __future__ import annotations

import json
import sys
import threading
from datetime import datetime, timezone

import msgspec

from streamseg.contracts import Shown
from streamseg.rules.event import Clips, Event, OpenEvents, ZoneReading, ended
from tests.parts.events import event, later
from tests.parts.fakes import frame, segmentation


def test_an_event_is_a_flat_object_and_comes_back_from_it() -> None:
    made = Event(
        id="0" * 32, kind="start", rule="crack", stream="belt", zone="belt", classes=("crack",),
        began="2026-11-28T09:30:00.125Z", began_s=1.5, at="2026-11-28T09:30:02.125Z", at_s=3.5,
        value=0.7, peak=0.9, unit="%",
    )  # fmt: skip
    text = msgspec.json.encode(made)
    assert list(json.loads(text)) == [
        "id", "kind", "rule", "stream", "zone", "classes", "began", "began_s", "at", "at_s", "value", "peak", "unit",
        "scores", "snapshot", "clip", "ended_by",
    ]  # fmt: skip
    assert msgspec.json.decode(text, type=Event) == made


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


def test_what_is_open_when_a_stream_ends_is_ended_by_that_and_once() -> None:
    known, one, other = OpenEvents(), event(), event()
    known.see([one, other], 1.0)
    known.see([later(one, "end"), later(other, "update", 3.0)], 2.0)
    known.see([], 7.25)
    (end,) = known.end()
    assert (end.id, end.kind, end.ended_by, end.at_s, end.value) == (other.id, "end", "stop", 7.25, 3.0)
    assert end.at >= other.at
    assert known.end() == ()


def test_an_end_of_which_the_streams_time_is_not_known_keeps_the_last_one() -> None:
    one = event()
    end = ended(one, datetime(2026, 11, 28, 9, 30, tzinfo=timezone.utc), "restart")
    assert (end.at_s, end.at) == (one.at_s, "2026-11-28T09:30:00.000Z")


def test_outputs_of_two_threads_name_their_clips_at_the_same_time() -> None:
    clips, failed, one = Clips(), list[Exception](), event()

    def name(letter: str) -> None:
        try:
            for number in range(20_000):
                clips.add(msgspec.structs.replace(one, id=f"{letter}{number}"), f"{number}.mp4")
                if number % 500 == 0:
                    clips.remove(f"{number - 5}.mp4")
        except Exception as error:
            failed.append(error)

    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=name, args=(letter,)) for letter in "ab"]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(before_s)
    assert failed == []


def test_the_first_clip_of_an_event_is_named_in_it_until_it_is_lost() -> None:
    clips, one = Clips(), event()
    assert clips.named(one) == one
    clips.add(one, "clips/a.mp4")
    update = clips.add(later(one, "update"), "clips/b.mp4")
    assert (update.snapshot, update.clip) == ("clips/a.jpg", "clips/a.mp4")
    clips.remove("clips/a.mp4")
    assert clips.named(one) == one
    for _ in range(1000):
        clips.add(event(), "clips/c.mp4")
    clips.add(one, "clips/d.mp4")
    assert clips.named(one).clip == "clips/d.mp4"
    assert len(clips._files) == 1000
