from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.contracts import Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Frame
from streamseg.sinks.segments import SegmentsSink
from tests.parts.fakes import segmentation
from tests.parts.leftovers import open_files
from tests.sinks.test_video import read, shown

NAME = "cam-%Y%m%d-%H%M%S.mp4"


def noise(number: int, fps: float = 25.0) -> Shown:
    """Some 36 kB of video, whatever the encoder tries."""
    picture = np.random.default_rng(number).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    frame = Frame(picture, number, number / fps, 0.0)
    return Shown(frame, segmentation(frame), frame.image, 0, {})


def closed(folder: Path, suffix: str = ".mp4") -> list[Path]:
    """The finished files in the order in which they were written."""
    return sorted(folder.glob(f"*{suffix}"), key=lambda path: path.stat().st_mtime_ns)


def readable(path: Path) -> list[int]:
    """The numbers of the frames that can be had; none from a file that was only just begun."""
    try:
        return [number for number, _ in read(path)]
    except av.FFmpegError:
        return []


def joined(paths: list[Path]) -> list[tuple[int, float]]:
    """Number and time of every frame, each file set behind the one before as a player of a list does."""
    found, end_s = [], 0.0
    for path in paths:
        frames = read(path)
        first_s = frames[0][1]
        with av.open(str(path)) as container:
            assert container.duration is not None
            length_s = container.duration / 1e6
        found += [(number, end_s + time_s - first_s) for number, time_s in frames]
        end_s += length_s
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_segments_play_each_by_itself_and_join_without_a_gap(suffix: str, tmp_path: Path) -> None:
    sink = SegmentsSink(f"{tmp_path}/cam-%Y%m%d-%H%M%S{suffix}?segment=2")
    for number in range(240):
        sink.write(shown(number, number / 25))
    sink.close()
    paths = closed(tmp_path, suffix)
    assert [len(read(path)) for path in paths] == [50, 50, 50, 50, 40]
    found = joined(paths)
    assert [number for number, _ in found] == list(range(240))
    assert np.allclose([time_s for _, time_s in found], np.arange(240) / 25, atol=0.005)
    assert all(re.fullmatch(rf"cam-\d{{8}}-\d{{6}}(-\d+)?{suffix}", path.name) for path in paths)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_every_segment_of_an_mp4_begins_at_zero_with_a_key_frame(tmp_path: Path) -> None:
    sink = SegmentsSink(f"{tmp_path}/{NAME}?segment=1")
    for number in range(75):
        sink.write(shown(number, 100 + number / 25))
    sink.close()
    for path in closed(tmp_path):
        with av.open(str(path)) as container:
            packet = next(container.demux(video=0))
            assert packet.is_keyframe
            assert packet.pts == 0


def test_a_segment_ends_once_it_is_large_enough(tmp_path: Path) -> None:
    sink = SegmentsSink(f"{tmp_path}/{NAME}?segment_size=1MB")
    for number in range(60):
        sink.write(noise(number))
    sink.close()
    sizes = [path.stat().st_size for path in closed(tmp_path)]
    assert len(sizes) > 2
    assert all(1_000_000 <= size < 1_300_000 for size in sizes[:-1])
    assert sum(packets(path) for path in closed(tmp_path)) == 60


def packets(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def test_a_change_of_size_starts_a_segment(tmp_path: Path) -> None:
    sink = SegmentsSink(f"{tmp_path}/{NAME}")
    for number in range(6):
        sink.write(shown(number, number / 25, *((320, 240) if number < 3 else (640, 480))))
    sink.close()
    assert [len(read(path)) for path in closed(tmp_path)] == [3, 3]


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("cam.mp4?segment=60", "a time in a name"),
        ("cam-%d-%Q.mp4", "a time in a name"),
        (f"{NAME}?segments=60", "no option segments"),
        (f"{NAME}?segment=soon", "not a time"),
        (f"{NAME}?segment=0", "not a time"),
        (f"{NAME}?keep=7y", "not a time"),
        (f"{NAME}?keep_size=20", None),
        (f"{NAME}?keep_size=much", "not a size"),
        (f"{NAME}?free=1d", "not a size"),
    ],
)
def test_an_option_that_is_wrong_is_one_line(uri: str, what: str | None, tmp_path: Path) -> None:
    if what is None:
        SegmentsSink(f"{tmp_path}/{uri}")
        return
    with pytest.raises(InputError, match=what):
        SegmentsSink(f"{tmp_path}/{uri}")


def test_two_runs_with_one_name_leave_each_others_files_alone(tmp_path: Path) -> None:
    sinks = [SegmentsSink(f"{tmp_path}/{NAME}?segment=1") for _ in range(2)]
    for number in range(90):
        for at, sink in enumerate(sinks):
            sink.write(shown(number + 100 * at, number / 25))
        if number % 40 == 20:
            SegmentsSink(f"{tmp_path}/{NAME}").close()
    for sink in sinks:
        sink.close()
    found = [number for path in closed(tmp_path) for number in readable(path)]
    assert sorted(found) == [*range(90), *range(100, 190)]
    assert not [path for path in tmp_path.iterdir() if "recovered" in path.name]


def test_a_recording_that_fails_again_and_again_leaves_nothing_open(tmp_path: Path) -> None:
    folder = tmp_path / "rec"
    folder.mkdir()
    sink = SegmentsSink(f"{folder}/{NAME}")
    counts = []
    for turn in range(30):
        sink.write(shown(0, turn * 10))
        shutil.rmtree(folder)
        with pytest.raises(OutputError):
            sink.write(shown(0, turn * 10 + 5))
        with pytest.raises(OutputError):
            sink.write(shown(0, turn * 10 + 6))
        folder.mkdir()
        counts.append(open_files())
    assert counts[-1] <= counts[5]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_power_cut_costs_no_more_than_two_seconds(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    safe: dict[int, int] = {}  # what the disk itself is known to have, by file

    def fsync(handle: int) -> None:
        state = os.fstat(handle)
        safe[state.st_ino] = state.st_size

    now_s = [0.0]
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    sink = SegmentsSink(f"{tmp_path}/cam-%H%M%S{suffix}?segment=60")
    for number in range(200):
        now_s[0] = number / 25
        sink.write(shown(number, number / 25))
        if number in (60, 99, 101, 130, 199):
            (part,) = tmp_path.glob("*.part")
            torn = tmp_path / f"torn{suffix}"
            torn.write_bytes(part.read_bytes()[: safe[part.stat().st_ino]])
            assert len(read(torn)) >= number + 1 - 2 * 25
    sink.close()


_WRITER = """
import sys, time
from streamseg.contracts import Shown
from streamseg.frame import Frame
from streamseg.sinks.segments import SegmentsSink
from tests.parts.clips import numbered
from tests.parts.fakes import segmentation
sink = SegmentsSink(sys.argv[1])
started = time.monotonic()
for number in range(100_000):
    frame = Frame(numbered(number % 256), number, number / 25, 0.0)
    sink.write(Shown(frame, segmentation(frame), frame.image, 0, {}))
    print(number, flush=True)
    time.sleep(max(0.0, started + number / 250 - time.monotonic()))
"""


@pytest.mark.slow
def test_twenty_kills_cost_two_seconds_each_and_never_a_closed_segment(tmp_path: Path) -> None:
    """Writers at ten times the usual speed, so that a kill falls anywhere in a segment of three seconds."""
    dice = random.Random(7)
    uris = [f"{tmp_path}/{turn}-%H%M%S{dice.choice(['.mp4', '.mkv'])}?segment=3" for turn in range(20)]
    for first in range(0, 20, 4):
        writers = [
            subprocess.Popen([sys.executable, "-c", _WRITER, uri], stdout=subprocess.PIPE, text=True)
            for uri in uris[first : first + 4]
        ]
        for turn, writer in enumerate(writers, first):
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(dice.uniform(0.0, 0.8))
            writer.send_signal(signal.SIGKILL)
            written = 1 + int((writer.stdout.read().split() or ["0"])[-1])
            writer.wait()
            writer.stdout.close()
            check(tmp_path, turn, written)


def check(folder: Path, turn: int, written: int) -> None:
    parts = list(folder.glob(f"{turn}-*.part"))
    segments = sorted(
        (path for path in folder.glob(f"{turn}-*") if path not in parts), key=lambda p: p.stat().st_mtime_ns
    )
    assert len(parts) <= 1
    assert all(len(read(path)) == 75 for path in segments)
    found = [number for path in [*segments, *parts] for number in readable(path)]
    assert found == [number % 256 for number in range(len(found))]
    assert len(found) >= written - 2 * 25
