"""Streams without a container come at the rate that they themselves name."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import pytest

from streamseg.capture import open_source
from streamseg.capture.timestamps import Timeline
from tests.parts import clips, odd_video
from tests.parts.http_server import http_server

FILM, TV = Fraction(24000, 1001), Fraction(30000, 1001)
X265 = {"x265-params": "log-level=none", "preset": "ultrafast"}
WOVEN = {"flags": "+ilme+ildct", "x264-params": "tff=1"}
BARE: dict[str, tuple[str, str, Fraction | int, dict[str, str]]] = {
    "a.h264": ("libx264", "h264", 30, {}),
    "b.264": ("libx264", "h264", 2 * TV, {}),
    "c.bit": ("libx264", "h264", 15, {"bf": "2"}),
    "d.jsv": ("libx264", "h264", 50, {}),
    "named.mp4": ("libx264", "h264", 12, {}),
    "nothing": ("libx264", "h264", FILM, {}),
    "interlaced.h264": ("libx264", "h264", TV, WOVEN),
    "e.hevc": ("libx265", "hevc", 30, X265),
    "f.h265": ("libx265", "hevc", FILM, X265),
    "g.265": ("libx265", "hevc", 60, X265),
    "h.m2v": ("mpeg2video", "mpeg2video", 50, {}),
    "i.m4v": ("mpeg4", "m4v", 30, {"bf": "2"}),
    "j.m4v": ("mpeg4", "m4v", TV, {}),
}


def bare(folder: Path, name: str, frames: int = 40) -> Path:
    codec, format, rate, options = BARE[name]
    pictures = [clips.numbered(number, 160, 120) for number in range(frames)]
    return odd_video.write(folder / name, pictures, codec=codec, format=format, rate=rate, options=options)


@pytest.mark.parametrize("name", BARE)
def test_a_bare_stream_has_the_rate_that_it_names(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = open_source(str(bare(tmp_path, name)))
    rate = float(BARE[name][2])
    found = list(source)
    assert source.info.fps == pytest.approx(rate, rel=1e-4)
    assert len(found) == 40
    assert [frame.time_s for frame in found] == pytest.approx([number / rate for number in range(40)], abs=1e-3)
    assert "assumed" not in caplog.text


def test_one_that_names_none_is_taken_to_have_25_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_source(str(odd_video.without_timing(tmp_path / "a.h264")))
    found = list(source)
    assert (len(found), source.info.fps) == (50, 25.0)
    assert found[-1].time_s == pytest.approx(49 / 25)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "25 frames a second are assumed" in record.getMessage()


def _jpegs(count: int = 20) -> bytes:
    return b"".join(cv2.imencode(".jpg", clips.numbered(number))[1].tobytes() for number in range(count))


@pytest.mark.parametrize("name", ["a.mjpeg", "b.mjpg", "c.jpgs", "d.avi", "e"])
def test_jpegs_behind_each_other_are_a_video_by_any_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(_jpegs())
    found = list(open_source(str(tmp_path / name)))
    assert [clips.read_number(frame.image) for frame in found] == list(range(20))
    assert found[-1].time_s == pytest.approx(19 / 25)


_FROM_A_PIPE = """
from streamseg.capture import open_source
from tests.parts.clips import read_number
source = open_source("-")
frames = list(source)
numbers = [read_number(frame.image) for frame in frames]
print(source.info.fps, len(frames), frames[-1].time_s, numbers == list(range(len(frames))))
"""


@pytest.mark.parametrize("name", ["a.h264", "e.hevc", "h.m2v", "jpegs"])
def test_by_a_pipe_it_is_the_same(name: str, tmp_path: Path) -> None:
    data = _jpegs(40) if name == "jpegs" else bare(tmp_path, name).read_bytes()
    rate = 25.0 if name == "jpegs" else float(BARE[name][2])
    done = subprocess.run([sys.executable, "-c", _FROM_A_PIPE], input=data, capture_output=True, timeout=100,
                          env={**os.environ, "PYTHONPATH": "."}, check=True)  # fmt: skip
    fps, count, last_s, in_order = done.stdout.split()
    assert (float(fps), int(count), in_order) == (rate, 40, b"True")
    assert float(last_s) == pytest.approx(39 / rate, abs=1e-3)


@pytest.mark.parametrize("name", ["a.h264", "jpegs.mjpeg"])
def test_over_http_it_is_the_same(name: str, tmp_path: Path) -> None:
    if name == "a.h264":
        bare(tmp_path, name)
    else:
        (tmp_path / name).write_bytes(_jpegs(40))
    rate = 30 if name == "a.h264" else 25
    with http_server(folder=tmp_path) as (url, _):
        source = open_source(f"{url}/{name}")
        try:
            frames = [frame for frame, _ in zip(source, range(40), strict=False)]
        finally:
            source.close()
    assert source.info.fps == rate
    assert [frame.time_s for frame in frames] == pytest.approx([number / rate for number in range(40)], abs=1e-3)


def test_the_rate_of_a_dv_tape_is_that_of_its_pictures(tmp_path: Path) -> None:
    path = clips.clip(tmp_path / "a.dv", frames=10, size=(720, 576), codec="dvvideo", format="dv")
    source = open_source(str(path))
    assert (source.info.fps, source.info.frames) == (25.0, 10)
    assert [frame.time_s for frame in source] == pytest.approx([number / 25 for number in range(10)])


def test_a_picture_that_is_shown_longer_delays_the_next_and_a_lone_field_hastens_none() -> None:
    clock = Timeline("film", 1 / 30)
    read = [clock.read(None, lasts_s) for lasts_s in (0.05, None, 1 / 60, 0.05, 0.05)]
    assert read == pytest.approx([0, 0.05, 0.05 + 1 / 30, 0.05 + 2 / 30, 0.1 + 2 / 30])
