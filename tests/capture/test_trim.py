"""Parts of files hold exactly what the whole holds there, whatever the container."""

from __future__ import annotations

import logging
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.moment import Moment
from streamseg.options import SourceOptions
from tests.parts.clips import annexb, clip, numbered
from tests.parts.film import Told

Found = list[tuple[int, float, Image]]
SIZE = (160, 120)
B_FRAMES = {"g": "20", "bf": "3"}
QUICK = {"deadline": "realtime", "cpu-used": "8"}


def times_that_vary() -> list[int]:
    return [40 * number + (13 * number) % 29 for number in range(100)]


def joined(path: Path) -> Path:
    """Two recordings behind each other: times begin again in the middle."""
    one = clip(path.with_suffix(".a.ts"), frames=50, size=SIZE, options=B_FRAMES, format="mpegts")
    path.write_bytes(2 * one.read_bytes())
    return path


def pieces(path: Path) -> Path:
    """Recordings of less than a second behind each other, as some recorders of cameras leave them."""
    one = clip(path.with_suffix(".a.ts"), frames=10, size=SIZE, options=B_FRAMES, format="mpegts")
    path.write_bytes(10 * one.read_bytes())
    return path


def two_of_a_stamp(path: Path) -> Path:
    """Every two pictures have the same time, as a clock has it that is too coarse."""
    plain = clip(path.with_suffix(".mp4"), frames=100, size=SIZE, options={"g": "20", "bf": "0"})
    with av.open(str(plain)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            packet.time_base, packet.stream = Fraction(1, 1000), stream
            packet.pts = packet.dts = number // 2 * 80
            out.mux(packet)
    return path


def begun_late(path: Path, codec: str) -> Path:
    """A recording that begins between two key frames."""
    raw = clip(
        path.with_suffix(".a.ts"), frames=100, size=SIZE, codec=codec, options=B_FRAMES, format="mpegts"
    ).read_bytes()
    path.write_bytes(raw[188 * (len(raw) // 188 // 9) :])
    return path


def encoded(codec: str = "libx264", **more: str) -> Callable[[Path], Path]:
    return lambda path: clip(path, frames=100, size=SIZE, codec=codec, options={**B_FRAMES, **more})


FILES: dict[str, Callable[[Path], Path]] = {
    "b-frames.mp4": encoded(),
    "b-frames.mov": encoded(),
    "b-frames.mkv": encoded(),
    "b-frames.flv": encoded(),
    "pieces.ts": pieces,
    "two-of-a-stamp.mkv": two_of_a_stamp,
    "b-frames.ts": lambda path: clip(path, frames=100, size=SIZE, options=B_FRAMES, format="mpegts"),
    "b-frames.avi": encoded(),
    "open-groups.mp4": encoded(**{"x264-params": "open-gop=1:b-pyramid=normal"}),
    "open-groups.ts": lambda path: clip(
        path, frames=100, size=SIZE, options={**B_FRAMES, "x264-params": "open-gop=1"}, format="mpegts"
    ),
    "refreshed-little-by-little.mp4": encoded(**{"x264-params": "intra-refresh=1"}),
    "one-key-frame.mp4": encoded(g="1000"),
    "fragments.mp4": lambda path: clip(
        path, frames=100, size=SIZE, options=B_FRAMES, container_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "times-that-vary.mkv": lambda path: clip(path, frames=100, size=SIZE, times_ms=times_that_vary(), options=B_FRAMES),
    "times-that-vary.mp4": lambda path: clip(path, frames=100, size=SIZE, times_ms=times_that_vary(), options=B_FRAMES),
    "hevc.mp4": encoded("libx265", **{"x265-params": "log-level=none:keyint=20"}),
    "mpeg-2.ts": lambda path: clip(path, frames=100, size=SIZE, codec="mpeg2video", options=B_FRAMES, format="mpegts"),
    "mpeg-2.mpg": encoded("mpeg2video"),
    "mpeg-4.avi": encoded("mpeg4"),
    "vp8.webm": encoded("libvpx", **QUICK),
    "vp9.webm": encoded("libvpx-vp9", **QUICK),
    "pictures.gif": lambda path: clip(path, frames=100, size=SIZE, codec="gif", pix_fmt="rgb8"),
    "jpegs.avi": lambda path: clip(path, frames=100, size=SIZE, codec="mjpeg", pix_fmt="yuvj420p"),
    "bare.h264": lambda path: annexb(path, frames=100, size=SIZE),
    "joined.ts": joined,
    "begun-late.ts": lambda path: begun_late(path, "libx264"),
    "begun-late-in-mpeg-2.ts": lambda path: begun_late(path, "mpeg2video"),
}


def frames(path: object, *, every: int = 1, start: str | None = None, end: str | None = None) -> Found:
    options = SourceOptions(every=every, start=Moment(start) if start else None, end=Moment(end) if end else None)
    return [(frame.index, frame.time_s, np.array(frame.image)) for frame in open_source(str(path), options)]


def assert_same(found: Found, wanted: Found) -> None:
    assert [one[0] for one in found] == [one[0] for one in wanted]
    assert np.allclose([one[1] for one in found], [one[1] for one in wanted], atol=1e-9, rtol=0)
    assert all(np.array_equal(one[2], other[2]) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("name", FILES)
def test_a_part_holds_what_the_whole_holds_there(name: str, tmp_path: Path) -> None:
    path = FILES[name](tmp_path / name)
    whole = frames(path)
    assert len(whole) >= 80
    for index in (1, 39, 61, len(whole) - 1):
        assert_same(frames(path, start=f"{index}f"), whole[index:])
    time_s = whole[61][1]
    wanted = [one for one in whole if time_s <= one[1] < time_s + 0.4 - 1e-6]
    assert_same(frames(path, start=f"{time_s:.9f}", end=f"{time_s + 0.4:.9f}"), wanted)
    assert_same(frames(path, every=7, start="40f", end="70f"), whole[40:70:7])


def test_what_comes_well_before_the_start_is_not_decoded(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=200, size=SIZE, options={"g": "20", "bf": "0"})
    whole = frames(path)
    raw = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in [packet for packet in container.demux(video=0) if packet.pos is not None][5:80]:
            assert packet.pos is not None
            raw[packet.pos + 4 : packet.pos + packet.size] = b"\xff" * (packet.size - 4)
    path.write_bytes(raw)
    damaged = open_source(str(path))
    assert len(list(damaged)) < 200
    assert damaged.counters["decode_errors"] > 50
    source = open_source(str(path), SourceOptions(start=Moment("7")))
    assert_same([(frame.index, frame.time_s, np.array(frame.image)) for frame in source], whole[175:])
    assert not source.counters["decode_errors"]


def test_of_pictures_and_scenes_every_so_manieth_is_taken(tmp_path: Path) -> None:
    for number in range(10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered(number))
    whole = frames(tmp_path)
    assert_same(frames(tmp_path, every=3), whole[::3])
    assert_same(frames(tmp_path, start="2", end="9f", every=3), whole[2:9:3])
    assert [one[0] for one in frames("test://?frames=20&size=64x48", every=4, start="5f")] == [5, 9, 13, 17]


def test_a_live_source_ends_by_its_own_clock() -> None:
    found = frames("test://?size=64x48", every=2, start="0.1", end="0.3")
    assert [one[0] for one in found] == [3, 5, 7]  # of thirty a second


def test_what_is_known_of_a_part_is_its_own(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", size=SIZE)
    info = open_source(str(path), SourceOptions(every=5, start=Moment("10f"), end=Moment("1.8"))).info
    assert (info.frames, info.fps, info.every) == (7, 5.0, 5)
    assert open_source(str(path), SourceOptions(end=Moment("100f"))).info.frames == 50


def test_a_start_behind_the_end_of_the_film_is_one_line(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", size=SIZE)
    for start in ("2", "50f", "1:00:00"):
        with pytest.raises(InputError, match=f"a.mp4 ends at 1.96 s, with frame 49: nothing is there from {start} on"):
            frames(path, start=start)


def test_a_part_between_two_frames_is_one_line(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", size=SIZE)
    with pytest.raises(InputError, match="a.mp4: no frame lies between 1.01 and 1.03"):
        frames(path, start="1.01", end="1.03")


def test_who_closes_a_part_before_its_start_is_told_nothing(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.avi", frames=50, size=SIZE, codec="mpeg4")
    for source in (str(path), "test://?size=64x48"):
        part = open_source(source, SourceOptions(start=Moment("40f"), end=Moment("45f")))
        frames_of_it = iter(part)
        part.close()
        assert list(frames_of_it) == []


def test_an_end_behind_the_end_of_the_film_is_said(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", size=SIZE)
    logging.getLogger("streamseg").setLevel(logging.INFO)
    with Told() as told:
        assert len(frames(path, end="3")) == 50
        assert len(frames(path, end="50f")) == 50
    assert [line for _, line in told.lines] == [
        f"a.mp4 ends at 1.96 s, with frame 49, before the end that was asked for, {end}" for end in ("3", "50f")
    ]
