"""Videos are seen upright, however they were turned or mirrored."""

from __future__ import annotations

import shutil
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.capture.orientation import upright
from streamseg.frame import Frame, Image
from tests.parts import clips, odd_video
from tests.parts.leftovers import without_collector

SAYINGS = {
    "flip=horizontal": "mirrored left and right",
    "flip=vertical": "mirrored top and bottom",
    "rotate=90": "turned left",
    "rotate=-90": "turned right",
    "rotate=180": "half a turn",
}


def frames(path: Path) -> list[Frame]:
    return list(open_source(str(path)))


def alike(image: Image, wanted: Image) -> bool:
    """Apart from what an encoder does to the borders between colours."""
    return image.shape == wanted.shape and bool(np.median(np.abs(image.astype(int) - wanted)) <= 3)


@pytest.mark.parametrize("name", odd_video.MATRICES)
def test_all_eight_ways_to_hold_a_camera_are_seen_upright(name: str, tmp_path: Path) -> None:
    matrix = odd_video.MATRICES[name]
    found = frames(odd_video.with_matrix(tmp_path / "a.mp4", matrix))
    assert len(found) == 5
    for frame in found:
        assert alike(frame.image, odd_video.shown(odd_video.quarters(), matrix))
        assert frame.planes is not None, "planes stay planes"


@pytest.mark.parametrize("said", SAYINGS)
def test_a_message_in_the_stream_turns_all_pictures_that_follow(said: str, tmp_path: Path) -> None:
    wanted = odd_video.shown(odd_video.quarters(), odd_video.MATRICES[SAYINGS[said]])
    found = frames(odd_video.with_message(tmp_path / "a.h264", said))
    assert len(found) == 20
    assert all(alike(frame.image, wanted) for frame in found)


@pytest.mark.parametrize("name", odd_video.MATRICES)
def test_pictures_that_are_no_planes_are_turned_too(name: str, tmp_path: Path) -> None:
    image, matrix = odd_video.quarters(150, 90), odd_video.MATRICES[name]
    found = frames(odd_video.with_matrix(tmp_path / "a.mp4", matrix, image))
    assert alike(found[0].image, odd_video.shown(image, matrix))


@pytest.mark.parametrize("degrees", [0.4, 89.6, 90.3, 180.4, 269.7, 359.7])
def test_a_quarter_turn_that_somebody_computed_is_one(degrees: float) -> None:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    exact = {0: (), 1: (("transpose", "clock"),), 3: (("transpose", "cclock"),)}
    chain = upright(tuple(round(value * odd_video.ONE) for value in (cos, sin, 0, -sin, cos, 0, 0, 0, 16384)))
    quarters = round(degrees / 90) % 4
    assert chain == exact.get(quarters, chain)
    assert not any(name == "rotate" for name, _ in chain)


def test_a_slanted_picture_keeps_its_size_as_in_ffmpeg(tmp_path: Path) -> None:
    cos, sin = np.cos(np.radians(30)), np.sin(np.radians(30))
    (frame, *_) = frames(odd_video.with_matrix(tmp_path / "a.mp4", (cos, sin, -sin, cos)))
    assert (frame.width, frame.height) == (160, 120)
    turned = cv2.warpAffine(odd_video.quarters(), cv2.getRotationMatrix2D((79.5, 59.5), -30, 1), (160, 120))
    assert np.median(np.abs(frame.image[20:100, 30:130].astype(int) - turned[20:100, 30:130])) <= 3


def test_a_matrix_of_nothing_is_not_meant() -> None:
    assert upright((0, 0, 0, 0, 0, 0, 0, 0, 0)) == ()


def test_a_turned_picture_has_turned_pixels(tmp_path: Path) -> None:
    path = odd_video.write(tmp_path / "plain.mp4", [odd_video.quarters()] * 3, aspect=Fraction(4, 3))
    assert frames(path)[0].pixel_aspect == Fraction(4, 3)
    raw = path.read_bytes()
    at = raw.index(b"tkhd") + 44
    turned = struct.pack(">9i", 0, odd_video.ONE, 0, -odd_video.ONE, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(raw[:at] + turned + raw[at + 36 :])
    assert frames(tmp_path / "turned.mp4")[0].pixel_aspect == Fraction(3, 4)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg, to compare with, is not installed")
@pytest.mark.parametrize("degrees", [0, 17, 45, 90, 133, 180, 270, 300])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_picture_is_that_of_ffmpegs_own_program(degrees: int, mirrored: bool, tmp_path: Path) -> None:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    flip = -1 if mirrored else 1
    path = odd_video.with_matrix(tmp_path / "a.mp4", (flip * cos, sin, -flip * sin, cos))
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", str(tmp_path / "x.png")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    theirs, ours = cv2.imread(str(tmp_path / "x.png")), frames(path)[0].image
    assert theirs is not None
    assert theirs.shape == ours.shape
    assert np.abs(theirs.astype(int) - ours).mean() < 2


def test_a_look_at_which_way_up_keeps_no_frame(tmp_path: Path) -> None:
    source = open_source(str(clips.clip(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p")))
    with without_collector(av.VideoFrame) as more:
        assert sum(1 for _ in source) == 50
        assert more() <= 1  # the decoder's own, with nothing in it
