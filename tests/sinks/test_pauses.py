"""A camera that was away for hours: what is written before and behind the gap is right, whatever counts the time."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.contracts import Shown
from streamseg.sinks.events import EventsSink
from streamseg.sinks.hls import HlsSink
from streamseg.sinks.video import VideoSink
from tests.parts.fakes import FILE, LIVE, segmentation
from tests.sinks.test_video import read, shown

HOUR_S = 3600.0


def seen(number: int, time_s: float) -> Shown:
    one = shown(number, time_s)
    return dataclasses.replace(one, segmentation=segmentation(one.frame, 1))


def unseen(number: int, time_s: float) -> Shown:
    one = shown(number, time_s)
    return dataclasses.replace(one, segmentation=segmentation(one.frame, 0))


def around(gap_s: float, frames: int = 50) -> list[float]:
    """So many times on each side of a gap."""
    return [start_s + number / 25 for start_s in (0.0, gap_s) for number in range(frames)]


def length_s(path: Path) -> float:
    with av.open(str(path)) as container:
        assert container.duration is not None
        return float(container.duration / 1e6)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_film_with_a_gap_is_as_long_as_its_last_picture_says(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    sink = VideoSink(str(path))
    for number, time_s in enumerate([0.0, 0.04, HOUR_S, HOUR_S + 0.04]):
        sink.write(shown(number, time_s))
    sink.close()
    assert length_s(path) == pytest.approx(HOUR_S + 0.08, abs=0.002)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_slides_last_as_long_as_those_before(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    sink = VideoSink(str(path))
    for number in range(3):
        sink.write(shown(number, number * 10.0))
    sink.close()
    assert length_s(path) == pytest.approx(30.0, abs=0.002)


@pytest.mark.parametrize(
    ("suffix", "gap_h", "lengths"),
    [
        (".mp4", 5, [100]),
        (".mp4", 7, [50, 50]),
        (".mp4", 30, [50, 50]),
        (".mov", 7, [50, 50]),
        (".mkv", 30, [100]),
        (".ts", 14, [100]),
        (".ts", 30, [50, 50]),
    ],
)
def test_a_gap_that_a_format_has_no_number_for_starts_a_further_file(
    suffix: str, gap_h: int, lengths: list[int], tmp_path: Path
) -> None:
    sink = VideoSink(str(tmp_path / f"out{suffix}"))
    times_s = around(gap_h * HOUR_S)
    for number, time_s in enumerate(times_s):
        sink.write(shown(number, time_s))
    sink.close()
    files = [tmp_path / f"out{double}{suffix}" for double in ("", "-2")][: len(lengths)]
    assert {*tmp_path.iterdir()} == {*files}
    found = [read(file) for file in files]
    assert [len(each) for each in found] == lengths
    assert [number for each in found for number, _ in each] == list(range(100))
    for each in found:
        first_s = times_s[each[0][0]]
        wanted = [times_s[number] - first_s for number, _ in each]
        assert np.allclose([time_s - each[0][1] for _, time_s in each], wanted, atol=0.002)


def test_a_transport_stream_ends_before_its_clock_begins_again(tmp_path: Path) -> None:
    sink = VideoSink(str(tmp_path / "out.ts"))
    for number in range(30):
        sink.write(shown(number, number * HOUR_S))
    sink.close()
    for name, first, last in (("out.ts", 0, 26), ("out-2.ts", 27, 29)):
        found = read(tmp_path / name)
        assert [number for number, _ in found] == list(range(first, last + 1))
        assert np.allclose(np.diff([time_s for _, time_s in found]), HOUR_S, atol=0.002)


@pytest.mark.parametrize("gap_h", [1, 7])
def test_a_clip_of_what_is_there_when_a_camera_comes_back_begins_there(gap_h: int, tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path}?class=thing&before=2&after=1")
    back_s = gap_h * HOUR_S
    for number, time_s in enumerate(np.arange(50) / 25):
        sink.write(unseen(number, float(time_s)))
    for number, time_s in enumerate(back_s + np.arange(100) / 25, 50):
        sink.write((seen if number < 60 else unseen)(number, float(time_s)))
    sink.close()
    (story,) = map(json.loads, (path.read_text() for path in tmp_path.glob("*.json")))
    (clip,) = tmp_path.glob("*.mp4")
    assert [number for number, _ in read(clip)] == list(range(50, 50 + story["frames"]))
    assert (story["begins_s"], story["first_seen_s"]) == (back_s, back_s)
    assert story["last_seen_s"] == pytest.approx(back_s + 9 / 25)
    assert story["length_s"] == pytest.approx(length_s(clip)) == pytest.approx(1.4)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("gap_h", [1, 7])
def test_a_clip_that_is_open_when_a_camera_goes_away_ends_there(gap_h: int, tmp_path: Path) -> None:
    sink = EventsSink(f"events:{tmp_path}?class=thing&before=1&after=1")
    for number, time_s in enumerate(around(gap_h * HOUR_S)):
        sink.write((seen if number < 50 else unseen)(number, time_s))
    sink.close()
    (story,) = map(json.loads, (path.read_text() for path in tmp_path.glob("*.json")))
    assert (story["frames"], story["last_seen_s"], story["length_s"]) == (50, 1.96, 2.0)
    assert [number for number, _ in read(next(tmp_path.glob("*.mp4")))] == list(range(50))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("live", [True, False])
def test_no_segment_of_a_list_lasts_as_long_as_a_camera_was_away(live: bool, tmp_path: Path) -> None:
    sink = HlsSink(f"hls:{tmp_path}", LIVE if live else FILE)
    for number, time_s in enumerate(around(HOUR_S, 100)):
        sink.write(shown(number, time_s))
    sink.close()
    text = (tmp_path / "index.m3u8").read_text()
    assert max(map(float, re.findall(r"#EXTINF:([\d.]+)", text))) <= 2.1
    assert re.findall(r"#EXT-X-TARGETDURATION:(\d+)", text) == ["2"]
    files = re.findall(r"^index-\d+\.ts$", text, re.MULTILINE)
    assert [number for file in files for number, _ in read(tmp_path / file)] == list(range(200))


def test_pictures_that_always_come_minutes_apart_are_no_gaps(tmp_path: Path) -> None:
    sink = HlsSink(f"hls:{tmp_path}", LIVE)
    for number in range(4):
        sink.write(shown(number, number * 120.0))
    sink.close()
    found = re.findall(r"#EXTINF:([\d.]+)", (tmp_path / "index.m3u8").read_text())
    assert list(map(float, found))[:3] == [120.0, 120.0, 120.0]
