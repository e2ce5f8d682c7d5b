"""Which events are listed; over HTTP: test_archive.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import msgspec
import pytest

from streamseg.config import RunOptions
from streamseg.infer import load_segmenter
from streamseg.infer.batching import share_networks
from streamseg.said import Said
from streamseg.serve import events, stored_files
from streamseg.serve.stream import Stream
from streamseg.sinks.watches import RuleMetadata
from tests.parts.events import event, later

SEEN = {"stream": "door", "seen": "2026-11-28T09:30:00+00:00", "first_seen_s": 1.0, "last_seen_s": 2.0}


def stream(*outputs: str, name: str = "door") -> Stream:
    """One that never began."""
    return Stream(name, RunOptions(source="test://", model="otsu", outputs=outputs), share_networks(load_segmenter),
                  Said())  # fmt: skip


def test_one_that_lasts_is_there_however_long_ago_it_began() -> None:
    made, lasting = stream(), event("start")
    asked = events.EventQuery(since="2099-01-01T00:00:00.000Z")
    made.latest.events.see([lasting])
    assert [row.id for row in events.listed([made], asked)] == [lasting.id]
    assert events.listed([made], msgspec.structs.replace(asked, until="2001-01-01T00:00:00.000Z")) == []
    made.latest.events.see([msgspec.structs.replace(lasting, kind="end")])
    assert events.listed([made], asked) == []


def test_the_clips_of_one_class_leave_room_for_those_of_another(tmp_path: Path) -> None:
    for number in range(2001):
        (tmp_path / f"person-20260101-{number:06d}.json").write_text(json.dumps({**SEEN, "class": "person"}))
    (tmp_path / "car-20260101-000000.json").write_text(json.dumps({**SEEN, "class": "car"}))
    both = stream(f"events:{tmp_path}?class=person", f"events:{tmp_path}?class=car")
    (row,) = events.listed([both], events.EventQuery(class_name="car"))
    assert row.classes == ("car",)


def test_clips_that_streams_began_in_the_same_second_are_all_there(tmp_path: Path) -> None:
    names = ("door", "yard")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "person-20260101-000000.json").write_text(json.dumps({**SEEN, "class": "person"}))
    both = [stream(f"events:{tmp_path / name}?class=person", name=name) for name in names]
    assert sorted(row.stream for row in events.listed(both, events.EventQuery())) == ["door", "yard"]


def test_of_clips_of_one_second_the_last_is_the_newest(tmp_path: Path) -> None:
    for number in range(1, 12):
        told = {**SEEN, "class": "person", "seen": f"2026-11-28T09:30:00.{number:03d}+00:00"}
        double = f"-{number}" if number > 1 else ""
        (tmp_path / f"person-20261128-093000{double}.json").write_text(json.dumps(told))
    (row,) = events.listed([stream(f"events:{tmp_path}?class=person")], events.EventQuery(limit=1))
    assert row.id == "person-20261128-093000-11.mp4"


def test_only_the_files_of_what_is_listed_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def opened(folder: Path, name: str) -> BinaryIO:
        asked.append(name)
        return plain(folder, name)

    plain = stored_files.opened
    monkeypatch.setattr(events, "opened", opened)
    made = stream(f"events:{tmp_path}?rule=busy")
    for number in range(5):
        one = msgspec.structs.replace(event(rule="busy"), began=f"2026-11-28T09:30:0{number}.000Z")
        made.latest.events.see([one])
        clip = tmp_path / f"busy-20261128-09300{number}.mp4"
        clip.write_bytes(b"film")
        made.clips.add(one, str(clip))
    (row,) = events.listed([made], events.EventQuery(limit=1))
    assert (row.clip, row.snapshot) == ("/streams/door/events/busy-20261128-093004.mp4", "")
    assert sorted(asked) == ["busy-20261128-093004.jpg", "busy-20261128-093004.mp4"]


def test_of_one_that_goes_on_in_a_second_clip_the_first_is_named(tmp_path: Path) -> None:
    names = [f"busy-20261128-{time}" for time in ("093000", "094000")]
    first = str(tmp_path / f"{names[0]}.mp4")
    start = msgspec.structs.replace(event(rule="busy"), clip=first)
    for name, told in zip(names, (later(start, "update"), later(start, "end")), strict=True):
        (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode(RuleMetadata("door", "busy", [told])))
        (tmp_path / f"{name}.mp4").write_bytes(b"film")
    (tmp_path / f"{names[0]}.jpg").write_bytes(b"picture")
    (row,) = events.listed([stream(f"events:{tmp_path}?rule=busy")], events.EventQuery())
    assert row.ended
    assert (row.clip, row.snapshot) == tuple(f"/streams/door/events/{names[0]}{kind}" for kind in (".mp4", ".jpg"))


def test_clips_are_looked_at_by_the_time_in_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2001):
        (tmp_path / f"person-20260301-{number:06d}.json").write_text(json.dumps({**SEEN, "class": "person"}))
    old = {**SEEN, "class": "person", "seen": "2026-01-01T09:30:00+00:00"}
    (tmp_path / "person-20260101-093000-2.json").write_text(json.dumps(old))
    made = stream(f"events:{tmp_path}?class=person")
    asked = events.EventQuery(until="2026-01-01T12:00:00.000Z")
    assert [row.id for row in events.listed([made], asked)] == ["person-20260101-093000-2.mp4"]
    assert len(events.listed([made], events.EventQuery(until="9999-12-31T23:59:59.000Z"))) == 100
    monkeypatch.setattr(events, "opened", lambda folder, name: pytest.fail(f"{name} is too old to be looked at"))
    assert events.listed([made], events.EventQuery(since="2026-03-03T00:00:00.000Z")) == []
