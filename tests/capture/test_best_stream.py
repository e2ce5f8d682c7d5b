"""Of several video streams the one that a person would want to see is taken, wherever it stands."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from streamseg.capture import open_source
from tests.parts import clips, odd_video

SMALL, LARGE = (160, 120), (320, 240)


def taken(path: Path) -> tuple[tuple[int, int], list[int]]:
    found = list(open_source(str(path)))
    return (found[0].width, found[0].height), [clips.read_number(frame.image) for frame in found]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts"])
def test_a_small_preview_before_the_film_is_not_taken(name: str, tmp_path: Path) -> None:
    path = odd_video.streams(tmp_path / name, {"size": SMALL}, {"size": LARGE})
    assert taken(path) == (LARGE, list(range(20)))


def test_a_single_picture_before_the_film_is_not_taken(tmp_path: Path) -> None:
    path = odd_video.streams(tmp_path / "a.mp4", {"size": (640, 480), "frames": 1}, {"size": LARGE})
    assert taken(path) == (LARGE, list(range(20)))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_track_that_is_switched_off_is_not_taken(name: str, tmp_path: Path) -> None:
    path = odd_video.streams(tmp_path / name, {"size": (640, 480), "on": False}, {"size": LARGE})
    assert taken(path) == (LARGE, list(range(20)))


def test_the_first_of_equals_is_taken(tmp_path: Path) -> None:
    path = odd_video.streams(tmp_path / "a.mkv", {"frames": 20}, {"frames": 12})
    assert taken(path) == (LARGE, list(range(20)))


def test_a_program_without_pictures_before_the_film_is_passed_over(tmp_path: Path) -> None:
    """A transport stream that announces a video of which nothing comes."""
    path = odd_video.streams(tmp_path / "a.ts", {"size": (640, 480)}, {"size": LARGE})
    raw = path.read_bytes()
    packets = [raw[at : at + 188] for at in range(0, len(raw), 188)]
    first = min(pid for packet in packets if (pid := _pid(packet)) >= 0x100)
    path.write_bytes(b"".join(packet for packet in packets if _pid(packet) != first))
    assert taken(path) == (LARGE, list(range(20)))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_cover_picture_is_no_video_wherever_it_stands(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        cover, film = container.add_stream("mjpeg", rate=25), container.add_stream("libx264", rate=25)
        cover.width, cover.height, cover.pix_fmt = 800, 800, "yuvj420p"
        film.width, film.height, film.pix_fmt = *LARGE, "yuv420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        for number in range(20):
            if not number:
                container.mux(cover.encode(av.VideoFrame.from_ndarray(clips.numbered(0, 800, 800), format="bgr24")))
            container.mux(film.encode(av.VideoFrame.from_ndarray(clips.numbered(number), format="bgr24")))
        container.mux(cover.encode(None))
        container.mux(film.encode(None))
    assert taken(path) == (LARGE, list(range(20)))


def _pid(packet: bytes) -> int:
    return int.from_bytes(packet[1:3], "big") & 0x1FFF
