"""What a killed run leaves of a recording: kept to the last byte, and called a video only where it is one."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import cv2
import pytest

from streamseg.sinks.segments import SegmentsSink
from streamseg.sinks.video import VideoSink
from tests.sinks.test_video import read, shown


def left_behind(part: Path, frames: int = 60) -> bytes:
    """Makes `part` what a run leaves that is killed after so many frames, and returns what it holds."""
    writing = part.with_name(f"writing{part.with_suffix('').suffix}")
    sink = VideoSink(str(writing))
    for number in range(frames):
        sink.write(shown(number, number / 25))
    shutil.copy(writing.with_name(f"{writing.name}.part"), part)
    sink.close()
    writing.unlink()
    return part.read_bytes()


def test_what_killed_runs_left_is_kept_under_names_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held: list[bytes] = []
    for _ in range(2):
        held.append(left_behind(tmp_path / "out.mp4.part", 30 + 30 * len(held)))
        sink = VideoSink(str(tmp_path / "out.mp4"))
        with caplog.at_level(logging.WARNING):
            sink.write(shown(0, 0.0))
        sink.close()
    assert [(tmp_path / f"out-recovered-{number}.mp4").read_bytes() for number in (1, 2)] == held
    assert "out.mp4.part was cut short: kept as out-recovered-2.mp4" in caplog.text


def test_what_has_no_room_for_more_in_its_name_is_kept_under_the_beginning_of_it(tmp_path: Path) -> None:
    name = "a" * 246
    held = [left_behind(tmp_path / f"{name}.mp4.part"), b"torn"]
    for part in held:
        (tmp_path / f"{name}.mp4.part").write_bytes(part)
        sink = VideoSink(str(tmp_path / f"{name}.mp4"), existing="replace")
        sink.write(shown(0, 0.0))
        sink.close()
    names = f"{name[:239]}-recovered-1.mp4", f"{name[:242]}.unplayable-1"
    assert [(tmp_path / each).read_bytes() for each in names] == held


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_a_part_that_is_cut_anywhere_is_called_a_video_if_it_plays_and_is_never_lost(
    suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = tmp_path / f"out{suffix}.part"
    whole = left_behind(part)
    names = set()
    for length in range(1, len(whole) + 1, len(whole) // 40):
        part.write_bytes(whole[:length])
        sink = VideoSink(str(tmp_path / f"out{suffix}"), existing="replace")
        sink.write(shown(0, 0.0))
        sink.close()
        (kept,) = (path for path in tmp_path.iterdir() if path.name != f"out{suffix}")
        assert kept.read_bytes() == whole[:length]
        if kept.suffix == suffix:
            assert read(kept)[0][0] == 0
            assert cv2.VideoCapture(str(kept)).read()[0], "another player opens it too"
        names.add(kept.name)
        kept.unlink()
    assert names == {f"out-recovered-1{suffix}", f"out{suffix}.unplayable-1"}
    assert "before its first picture" in caplog.text


def test_an_empty_part_is_gone_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "out.mp4.part").touch()
    sink = VideoSink(str(tmp_path / "out.mp4"))
    sink.write(shown(0, 0.0))
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert not caplog.text


def test_segments_left_behind_are_kept_and_foreign_parts_are_not_touched(tmp_path: Path) -> None:
    ours = ["cam-20260101-101010.mp4.part", "cam-20260101-101010-2.mp4.part"]
    for name in ours:
        left_behind(tmp_path / name)
    torn = tmp_path / "cam-20260101-101010-3.mp4.part"
    torn.write_text("torn")
    foreign = [tmp_path / "other.mp4.part", tmp_path / "cam-1.mp4.part"]
    for path in foreign:
        path.write_text("foreign")
    SegmentsSink(f"{tmp_path}/cam-%Y%m%d-%H%M%S.mp4").close()
    assert {path.name for path in tmp_path.iterdir()} == {
        "cam-20260101-101010-recovered-1.mp4",
        "cam-20260101-101010-2-recovered-1.mp4",
        "cam-20260101-101010-3.mp4.unplayable-1",
        *(path.name for path in foreign),
    }


def test_what_cannot_be_played_grows_old_with_the_recordings_it_belongs_to(tmp_path: Path) -> None:
    (tmp_path / "cam-20260101-101010.mp4.unplayable-1").write_bytes(bytes(2000))
    sink = SegmentsSink(f"{tmp_path}/cam-%Y%m%d-%H%M%S.mp4?keep_size=1kB")
    sink.write(shown(0, 0.0))
    sink.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"]


@pytest.mark.parametrize("name", ["cam{x}.mp4", "{}.mp4", "{.mp4"])
def test_a_name_with_braces_is_kept_like_any_other(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.part").write_bytes(b"cut short")
    sink = VideoSink(str(tmp_path / name))
    sink.write(shown(0, 0.0))
    sink.close()
    assert (tmp_path / f"{name}.unplayable-1").read_bytes() == b"cut short"
