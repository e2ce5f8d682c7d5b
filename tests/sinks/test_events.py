from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import datetime
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.files import write_whole
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Segmentation
from streamseg.sinks import open_sink
from streamseg.sinks.events import EventsSink
from streamseg.sinks.preroll import EncodedPacket, Preroll
from streamseg.sinks.watches import ClassWatch
from tests.parts.clips import numbered
from tests.parts.disks import fill, small_disk
from tests.parts.events import event, later
from tests.parts.fakes import CLASSES, FILE, LIVE
from tests.sinks.test_recovered import left_behind
from tests.sinks.test_segments import readable
from tests.sinks.test_video import read


def scene(number: int, share: float, *, size: tuple[int, int] = (320, 240), picture: bool = True) -> Shown:
    """Frame `number` of a stream of 25 a second, of which `thing` covers `share`."""
    image = numbered(number % 256, *size) if picture else np.zeros((size[1], size[0], 3), np.uint8)
    frame = Frame(image, number, number / 25, 0.0, "door")
    labels = np.zeros((100, 100), np.uint8)
    labels.reshape(-1)[: round(share * 10_000)] = 1
    return Shown(frame, Segmentation(labels, CLASSES, number, number / 25), image, 0, {})


def clips(folder: Path) -> list[tuple[dict[str, object], Path]]:
    """Each clip's story, and the clip; there is no other file."""
    stories = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    assert {path.with_suffix(".mp4") for path in stories} | set(stories) == set(folder.iterdir())
    return [(json.loads(path.read_text()), path.with_suffix(".mp4")) for path in stories]


def test_another_network_of_the_stream_may_number_its_classes_otherwise() -> None:
    watch, (background, thing) = ClassWatch("thing", 5.0), CLASSES.colours
    one = scene(0, 0.5)
    assert watch.seen(one)
    more = Classes(("sky", "road", "thing"), np.array([background, background, thing]))
    for labels, there in ((np.ones_like(one.segmentation.labels), False), (one.segmentation.labels * 2, True)):
        found = dataclasses.replace(one.segmentation, labels=labels, classes=more)
        assert watch.seen(dataclasses.replace(one, segmentation=found)) is there


@pytest.mark.parametrize("percent", [7, 57, 58])
def test_a_class_of_exactly_so_many_percent_counts_as_seen(percent: int) -> None:
    one = scene(0, 0.5)
    labels = np.zeros(100, np.uint8)
    labels[:percent] = 1
    found = dataclasses.replace(one.segmentation, labels=labels.reshape(10, 10), confidence=None)
    assert ClassWatch("thing", float(percent)).seen(dataclasses.replace(one, segmentation=found))


def test_a_clip_holds_what_came_before_and_after(tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path}?class=thing&area=5&before=2&after=3")
    for number in range(250):
        sink.write(scene(number, 0.07 if 110 <= number < 130 else 0.04))
    sink.close()
    ((story, path),) = clips(tmp_path)
    found = read(path)
    numbers = [number for number, _ in found]
    assert numbers == list(range(numbers[0], 129 + 75 + 1))
    assert 110 - 2 * 25 - 25 <= numbers[0] <= 110 - 2 * 25  # the key frame that is old enough
    assert np.allclose([time_s for _, time_s in found], np.arange(len(found)) / 25, atol=0.002)
    assert story == {
        "stream": "door",
        "class": "thing",
        "seen": story["seen"],
        "first_seen_s": 4.4,
        "last_seen_s": 129 / 25,
        "largest_percent": 7.0,
        "begins_s": numbers[0] / 25,
        "length_s": len(found) / 25,
        "frames": len(found),
    }
    assert abs((datetime.now().astimezone() - datetime.fromisoformat(str(story["seen"]))).total_seconds()) < 60
    with av.open(str(path)) as container:
        assert next(container.demux(video=0)).is_keyframe


def test_each_event_has_its_own_clip_and_one_seen_again_in_time_has_one(tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path}?class=thing&before=1&after=1")
    seen = {50, 70, 90, 150, 180}  # 150 begins a new one; 180 yet another, whose beginning overlaps its end
    for number in range(240):
        sink.write(scene(number, 0.5 if number in seen else 0.0))
    sink.close()
    stories = clips(tmp_path)
    assert [(story["first_seen_s"], story["last_seen_s"]) for story, _ in stories] == [
        (2.0, 3.6),
        (6.0, 6.0),
        (7.2, 7.2),
    ]
    for story, path in stories:
        numbers = readable(path)
        first, last = (round(float(str(story[key])) * 25) for key in ("first_seen_s", "last_seen_s"))
        assert numbers == list(range(numbers[0], last + 26))
        assert numbers[0] <= first - 25


def test_an_event_at_the_start_has_what_there_is_and_one_at_the_end_is_finished(tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path}?class=thing")
    for number in range(20):
        sink.write(scene(number, 1.0))
    sink.close()
    ((_, path),) = clips(tmp_path)
    assert readable(path) == list(range(20))


def test_nothing_seen_leaves_nothing_behind(tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path / 'clips'}?class=thing")
    for number in range(60):
        sink.write(scene(number, 0.009))
    sink.close()
    assert not list(tmp_path.iterdir())


def test_an_event_without_an_end_goes_on_in_a_further_clip(tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path}?class=thing&before=1&after=1")
    for number in range(0, 700 * 25, 25):
        sink.write(scene(number, 1.0, size=(64, 48), picture=False))
    sink.close()
    lengths = sorted(float(str(story["length_s"])) for story, _ in clips(tmp_path))
    assert len(lengths) == 2
    assert lengths[1] <= 602


def test_a_change_of_size_ends_the_clip(tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path}?class=thing")
    for number in range(40):
        sink.write(scene(number, 1.0, size=(320, 240) if number < 20 else (640, 480)))
    sink.close()
    assert [len(readable(path)) for _, path in clips(tmp_path)] == [20, 20]


def test_what_waits_in_memory_is_bounded_in_time_and_in_bytes() -> None:
    preroll = Preroll(2.0, 1_000_000)
    for number in range(10_000):
        preroll.add(EncodedPacket(bytes(100), number * 3600, 3600, number % 25 == 0))
    assert 50 < len(list(preroll)) <= 75
    assert next(iter(preroll)).key
    assert preroll.bytes == sum(len(unit.data) for unit in preroll)
    preroll = Preroll(3600.0, 1_000_000)
    for number in range(10_000):
        preroll.add(EncodedPacket(bytes(10_000), number * 3600, 3600, number % 25 == 0))
        assert preroll.bytes <= 1_000_000 + 25 * 10_000
    assert next(iter(preroll)).key


def test_a_killed_runs_clip_is_kept(tmp_path: Path) -> None:
    held = left_behind(tmp_path / "thing-20260101-101010.mp4.part")
    EventsSink(f"events:{tmp_path}?class=thing").close()
    assert (tmp_path / "thing-20260101-101010-recovered-1.mp4").read_bytes() == held


def test_a_full_disk_costs_a_clip_and_not_the_next(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        sink = EventsSink(f"events:{disk}?class=thing&before=1&after=1")
        ballast = fill(disk, free_megabytes=2)
        for number in range(50):
            sink.write(scene(number, 0.0))
        with pytest.raises(OutputError, match="No space"):
            sink.write(scene(50, 1.0))
        ballast.unlink()
        for number in range(51, 100):
            sink.write(scene(number, 1.0 if number == 60 else 0.0))
        sink.close()
        ((_, path),) = clips(disk)
        assert set(range(35, 85)) <= set(readable(path))


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("events:clips", "needs a folder, and a class or a rule"),
        ("events:?class=thing", "needs a folder, and a class or a rule"),
        ("events:{}?class=thing&area=101", "not a share"),
        ("events:{}?class=thing&area=0", "not a share"),
        ("events:{}?class=thing&before=long", "not a time"),
        ("events:{}?klass=thing", "no option klass"),
    ],
)
def test_an_option_that_is_wrong_is_one_line(uri: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=what):
        open_sink(uri.format(tmp_path), FILE, Controls())


def test_a_class_that_the_model_does_not_have_is_one_line_with_those_it_has(tmp_path: Path) -> None:
    sink = open_sink(f"events:{tmp_path}?class=dog", LIVE, Controls())
    with pytest.raises(InputError, match="no class 'dog'.*background, thing"):
        sink.write(scene(0, 0.0))


def test_names_are_harmless(tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path / 'in'}?class=../up&before=1")
    for number in range(3):
        one = scene(number, 0.0)
        classes = type(CLASSES)(("../up", "b"), CLASSES.colours)
        sink.write(Shown(one.frame, Segmentation(one.segmentation.labels, classes, 0, 0.0), one.image, 0, {}))
    sink.close()
    assert [path.name.partition("-")[0] for path in sorted((tmp_path / "in").iterdir())] == [".._up", ".._up"]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_event_that_is_open_at_the_end_is_ended_in_its_clip_and_not_where_the_frames_change(tmp_path: Path) -> None:
    controls, one = Controls(), event(rule="full")
    sink = EventsSink(f"events:{tmp_path}?rule=full&before=1", controls)
    for number in range(60):
        size = (320, 240) if number < 30 else (160, 120)
        sink.write(dataclasses.replace(scene(number, 0.5, size=size), events=(one,) if number == 0 else ()))
    sink.close()
    first, second = sorted(tmp_path.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    (still,), (ended,) = (json.loads(path.read_text())["events"] for path in (first, second))
    assert (still["id"], still["kind"], still["ended_by"]) == (one.id, "start", "")
    assert (ended["id"], ended["kind"], ended["ended_by"], ended["at_s"]) == (one.id, "end", "stop", 59 / 25)
    for told in (still, ended, msgspec.to_builtins(controls.clips.named(one))):
        assert (told["snapshot"], told["clip"]) == (str(first.with_suffix(".jpg")), str(first.with_suffix(".mp4")))
    assert Path(still["snapshot"]).exists() and Path(still["clip"]).exists()


def test_a_clip_that_cannot_be_written_is_named_no_more(tmp_path: Path) -> None:
    controls, one = Controls(), event(rule="full")
    sink = EventsSink(f"events:{tmp_path / 'clips'}?rule=full", controls)
    sink.write(dataclasses.replace(scene(0, 0.5), events=(one,)))
    assert controls.clips.named(one).clip
    shutil.rmtree(tmp_path / "clips")
    with pytest.raises(OutputError):
        for number in range(1, 200):
            sink.write(scene(number, 0.5))
    assert not controls.clips.named(one).clip


@pytest.mark.parametrize(("beside", "query"), [(".json", "class=thing"), (".jpg", "rule=full")])
def test_what_cannot_be_written_beside_a_clip_costs_no_clip(
    beside: str, query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes, *, replace: bool = True) -> Path:
        if path.suffix == beside:
            monkeypatch.setattr("streamseg.sinks.events.write_whole", write_whole)  # then there is room again
            raise OutputError(f"{path}: No space left on device")
        return write_whole(path, data, replace=replace)

    monkeypatch.setattr("streamseg.sinks.events.write_whole", full)
    sink, failed = EventsSink(f"events:{tmp_path}?{query}&before=1&after=1"), list[int]()
    began = event(rule="full")
    told = {30: began, 31: began, 39: later(began, "end")}  # at 31 again, as of a frame that failed
    for number in range(100):
        one = scene(number, 0.5 if 30 <= number < 40 else 0.0)
        try:
            sink.write(dataclasses.replace(one, events=(told[number],) if number in told else ()))
        except OutputError:
            failed.append(number)
    sink.close()
    assert len(failed) == 1 and sink.unwritten == 0
    assert not list(tmp_path.glob("*.part"))
    (clip,) = tmp_path.glob("*.mp4")
    assert set(range(10, 60)) <= {number for number, _ in read(clip)} <= set(range(66))
    assert clip.with_suffix(".json").exists() == (beside != ".json")
