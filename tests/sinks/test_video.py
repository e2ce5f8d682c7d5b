from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import pytest

import streamseg
from streamseg.capture import open_source
from streamseg.contracts import Controls, Existing, Shown
from streamseg.errors import OutputError
from streamseg.frame import Frame
from streamseg.sinks import open_sink
from streamseg.sinks.crash_safe_file import FORMATS
from streamseg.sinks.video import VideoSink
from streamseg.yuv import Planes
from tests.parts.clips import clip, numbered, read_number
from tests.parts.fakes import FILE, segmentation


def shown(number: int, time_s: float, width: int = 320, height: int = 240) -> Shown:
    frame = Frame(numbered(number, width, height), number, time_s, 0.0)
    return Shown(frame, segmentation(frame), frame.image, 0, {})


def read(path: Path) -> list[tuple[int, float]]:
    """Number and time of every frame that can be decoded."""
    found = []
    with av.open(str(path)) as container:
        try:
            for packet in container.demux(video=0):
                for frame in packet.decode():
                    assert isinstance(frame, av.VideoFrame)
                    picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                    found.append((read_number(picture), float(frame.time or 0)))
        except av.error.InvalidDataError:
            pass  # the torn end of a file that was cut short
    return found


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_frame_is_kept_in_order_and_at_its_own_time(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    times_s = np.cumsum([0, 0.04, 0.04, 0.3, 0.01, 2.0, *[0.04] * 60])
    sink = VideoSink(str(path))
    for number, time_s in enumerate(times_s):
        sink.write(shown(number, float(time_s)))
    assert not path.exists()
    sink.close()
    sink.close()
    found = read(path)
    assert [number for number, _ in found] == list(range(len(times_s)))
    first_s = found[0][1]
    assert np.allclose([time_s - first_s for _, time_s in found], times_s, atol=0.002)
    assert not list(tmp_path.glob("*.part"))
    capture = cv2.VideoCapture(str(path))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == len(times_s)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.ts", "%H%M%S.mkv", "hls:h"])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001)])
def test_readers_are_told_the_rate_of_the_source(
    rate: Fraction, name: str, codec: Literal["h264", "hevc"], tmp_path: Path
) -> None:
    (tmp_path / "h").mkdir()
    uri = f"hls:{tmp_path}/h" if name == "hls:h" else f"{tmp_path}/{name}"
    sink = open_sink(uri, replace(FILE, fps=float(rate)), Controls(codec=codec))
    for number in range(12):
        sink.write(shown(number, float(number / rate)))
    sink.close()
    (path,) = list(tmp_path.glob("h/*.m3u8")) or [file for file in tmp_path.iterdir() if file.suffix in FORMATS]
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == rate


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("fps", [2.0, 5.0, 15.0, 120.0])
def test_a_film_takes_as_much_room_whatever_the_rate_is_called(fps: float, codec: str, tmp_path: Path) -> None:
    """At one quality the encoders spend more bits on pictures that are shown for longer."""
    noise = np.random.default_rng(1).integers(0, 256, (60, 125, 3), np.uint8)
    wall = np.asarray(cv2.resize(noise, (500, 240), interpolation=cv2.INTER_CUBIC), np.uint8)
    sizes = []
    for called in (None, fps):
        sink = VideoSink(str(tmp_path / f"{called}.mp4"), codec=codec, fps=called)
        for number in range(24):
            frame = Frame(np.ascontiguousarray(wall[:, 3 * number :][:, :320]), number, number / 25, 0.0)
            sink.write(Shown(frame, segmentation(frame), frame.image, 0, {}))
        sink.close()
        sizes.append((tmp_path / f"{called}.mp4").stat().st_size)
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


def test_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoSink(str(path))
    sink.write(shown(0, 0.0, 640, 480))
    sink.close()
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert np.abs(picture[-100:, 100:-100].reshape(-1, 3).mean(0) - (60, 140, 190)).max() < 4


def test_planes_are_recorded_as_they_are_and_in_their_own_colours(tmp_path: Path) -> None:
    for matrix, span in ((6, 1), (1, 1), (1, 2)):
        buffer = np.full((360, 320), 90, np.uint8)
        buffer[240:300], buffer[300:] = 150, 120
        planes = Planes.blank(buffer, (matrix, span))
        frame = Frame(planes, 0, 0.0, 0.0)
        path = tmp_path / f"{matrix}-{span}.mp4"
        sink = VideoSink(str(path))
        sink.write(Shown(frame, segmentation(frame), planes, 0, {}))
        picture = Frame(planes.image, 1, 0.04, 0.04)  # the view was changed to one that makes pictures
        sink.write(Shown(picture, segmentation(picture), picture.pixels, 0, {}))
        sink.close()
        found = [each.planes for each in open_source(str(path))]
        assert len(found) == 2
        for each in found:
            assert each is not None
            assert each.colours == (matrix, span)
            for ours, theirs in ((each.y, planes.y), (each.u, planes.u), (each.v, planes.v)):
                assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_a_recorded_overlay_shows_what_the_window_would(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", frames=10, size=(640, 360))
    shown = list(streamseg.open(str(source), str(tmp_path / "out.mp4"), model="otsu"))
    recorded = list(open_source(str(tmp_path / "out.mp4")))
    assert isinstance(shown[0].pixels, Planes)
    assert [read_number(each.frame.image) for each in shown] == list(range(10))
    for ours, wanted in zip(recorded, shown, strict=True):
        assert np.abs(ours.image.astype(int) - wanted.image).mean() < 3


@pytest.mark.parametrize("size", [(321, 241), (320, 241), (17, 15), (2, 2), (1, 1)])
def test_odd_sides_are_padded(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoSink(str(path))
    frame = Frame(np.full((size[1], size[0], 3), 90, np.uint8), 0, 0.0, 0.0)
    sink.write(Shown(frame, segmentation(frame), frame.image, 0, {}))
    sink.close()
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        assert (stream.width, stream.height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)


@pytest.mark.parametrize("existing", ["refuse", "replace"])
def test_a_change_of_size_starts_a_further_file_beside_what_is_there(existing: Existing, tmp_path: Path) -> None:
    (tmp_path / "out-2.mp4").write_bytes(b"of an earlier run")
    sink = VideoSink(str(tmp_path / "out.mp4"), existing=existing)
    for number in range(6):
        sink.write(shown(number, number / 25, *((320, 240) if number < 3 else (640, 480))))
    sink.close()
    assert [len(read(tmp_path / name)) for name in ("out.mp4", "out-3.mp4")] == [3, 3]
    assert (tmp_path / "out-2.mp4").read_bytes() == b"of an earlier run"


def test_an_older_recording_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    sink = VideoSink(str(path), existing="replace")
    sink.write(shown(0, 0.0))
    assert path.read_bytes() == b"old"
    sink.close()
    assert path.read_bytes() != b"old"


@pytest.mark.parametrize("existing", ["refuse", "keep"])
def test_a_recording_never_takes_the_place_of_one_that_came_meanwhile(existing: Existing, tmp_path: Path) -> None:
    sink = VideoSink(str(tmp_path / "out.mp4"), existing=existing)
    sink.write(shown(0, 0.0))
    (tmp_path / "out.mp4").write_bytes(b"another's")
    sink.close()
    assert (tmp_path / "out.mp4").read_bytes() == b"another's"
    assert [number for number, _ in read(tmp_path / "out-2.mp4")] == [0]


def test_a_file_that_another_run_is_writing_is_left_to_it(tmp_path: Path) -> None:
    first, second = VideoSink(str(tmp_path / "out.mp4")), VideoSink(str(tmp_path / "out.mp4"))
    first.write(shown(0, 0.0))
    with pytest.raises(OutputError, match="another run"):
        second.write(shown(1, 0.0))
    first.write(shown(2, 0.04))
    first.close()
    assert [number for number, _ in read(tmp_path / "out.mp4")] == [0, 2]


def test_nothing_shown_leaves_nothing_behind(tmp_path: Path) -> None:
    VideoSink(str(tmp_path / "out.mp4")).close()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_what_was_written_stays(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        sink = VideoSink(str(disk / "out.mp4"))
        dice = np.random.default_rng(0)
        with pytest.raises(OutputError, match="[Nn]o space"):
            for number in range(500):
                frame = Frame(dice.integers(0, 256, (240, 320, 3), dtype=np.uint8), number, number / 25, 0.0)
                sink.write(Shown(frame, segmentation(frame), frame.image, 0, {}))
        sink.close()
        assert len(read(disk / "out.mp4.part")) > 2
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_file_that_could_not_be_made_is_not_said_to_hold_anything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sink = VideoSink("/proc/out.mp4")
    with pytest.raises(OutputError, match="/proc/out.mp4: No such file"):
        for number in range(100):
            sink.write(shown(number, number / 25))
    sink.close()
    assert "holds what was recorded" not in caplog.text


_WRITER = """
import sys, time
from streamseg.sinks.video import VideoSink
from tests.sinks.test_video import shown
sink = VideoSink(sys.argv[1], codec=sys.argv[2])
started = time.monotonic()
for number in range(10_000):
    sink.write(shown(number % 256, number / 25))
    print(number, flush=True)
    time.sleep(max(0.0, started + number / 100 - time.monotonic()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("seed", "codec"), [(0, "h264"), (1, "h264"), (2, "h264"), (0, "hevc")])
def test_a_kill_costs_at_most_two_seconds(suffix: str, seed: int, codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(path), codec], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(1.0 + random.Random(seed).random())  # the moment of the kill is what is varied
    writer.send_signal(signal.SIGKILL)
    last = int((writer.stdout.read().split() or ["0"])[-1])
    writer.wait()
    writer.stdout.close()
    assert len(read(path.with_name(path.name + ".part"))) >= last - 2 * 25
