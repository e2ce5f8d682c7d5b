from __future__ import annotations

import logging
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.capture import SOURCES, open_source, source_kind
from streamseg.errors import InputError
from streamseg.options import SourceOptions
from tests.parts import clips
from tests.parts.bombs import peak_kib


def put(path: Path, image: object) -> Path:
    assert cv2.imwrite(str(path), np.asarray(image))
    return path


def test_a_folder_comes_in_natural_order_at_the_rate_asked_for(tmp_path: Path) -> None:
    for number in (10, 9, 100, 1):
        put(tmp_path / f"img{number}.png", clips.numbered(number))
    (tmp_path / "notes.txt").write_text("not a picture")
    source = open_source(str(tmp_path), SourceOptions(fps=5))
    found = list(source)
    assert [clips.read_number(frame.image) for frame in found] == [1, 9, 10, 100]
    assert np.allclose([frame.time_s for frame in found], [0.0, 0.2, 0.4, 0.6])
    assert (source.info.frames, source.info.live) == (4, False)


@pytest.mark.parametrize("name", ["a.png", "a b [1].png", "100%.png", "ä.webp", "A.JPG"])
def test_one_picture_of_any_name(name: str, tmp_path: Path) -> None:
    put(tmp_path / "source.png", clips.numbered(7))
    _, data = cv2.imencode(Path(name).suffix.lower(), clips.numbered(7))
    (tmp_path / name).write_bytes(data.tobytes())
    (frame,) = open_source(str(tmp_path / name))
    assert clips.read_number(frame.image) == 7


def test_a_glob_names_pictures_and_says_when_it_names_none(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / f"x{number}.png", clips.numbered(number))
    assert len(list(open_source(str(tmp_path / "x[0-1].png")))) == 2
    with pytest.raises(InputError, match="no file matches"):
        open_source(str(tmp_path / "y*.png"))


@pytest.mark.parametrize(
    "image",
    [
        np.full((6, 8), 77, np.uint8),
        np.full((6, 8, 4), 77, np.uint8),
        np.full((6, 8), 77 * 257, np.uint16),
        np.full((6, 8, 3), 77 * 257, np.uint16),
    ],
    ids=["grey", "alpha", "16-bit grey", "16-bit"],
)
def test_every_kind_becomes_three_channels_of_a_byte(image: object, tmp_path: Path) -> None:
    (frame,) = open_source(str(put(tmp_path / "a.png", image)))
    assert frame.image.shape == (6, 8, 3)
    assert (frame.image == 77).all()


def test_a_camera_that_was_held_upright_is_believed(tmp_path: Path) -> None:
    _, data = cv2.imencode(".jpg", np.zeros((20, 40, 3), np.uint8))
    raw = data.tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + b"\0\0\0\0"
    path = tmp_path / "upright.jpg"
    path.write_bytes(raw[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + raw[2:])
    (frame,) = open_source(str(path))
    assert (frame.width, frame.height) == (20, 40)


def test_what_cannot_be_read_in_a_folder_is_passed_over_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        put(tmp_path / f"b{number}.png", clips.numbered(number))
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b1x.jpg").write_bytes(b"junk")
    with caplog.at_level(logging.WARNING):
        source = open_source(str(tmp_path))
        found = list(source)
    assert [clips.read_number(frame.image) for frame in found] == [0, 1, 2]
    assert [frame.index for frame in found] == [0, 1, 2]
    assert source.counters["unreadable"] == 2
    assert len(caplog.records) == 2


def test_a_folder_of_junk_is_one_line(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"junk")
    with pytest.raises(InputError, match="none of the 2 pictures"):
        open_source(str(tmp_path))


def test_a_picture_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = clips.picture_bomb(tmp_path / "bomb.png")
    before = peak_kib(reset=True)
    with pytest.raises(InputError, match="megapixels"):
        open_source(str(path))
    assert peak_kib() - before < 100_000  # decoding it takes five gigabytes


def test_the_kind_is_told_from_the_string_alone() -> None:
    kinds = {
        "0": "camera",
        "/dev/video3": "camera",
        "/dev/v4l/by-id/usb-cam": "camera",
        "rtsp://a/b": "stream",
        "RTSPS://a/b": "stream",
        "http://a/b.m3u8": "stream",
        "-": "stream",
        "test://?frames=3": "scene",
        "a.png": "pictures",
        "a/*.jpg": "pictures",
        "a.mp4": "video",
        "film": "video",
    }
    names = {kind: name for name, kind in SOURCES.items()}
    assert {uri: names[source_kind(uri)] for uri in kinds} == kinds


@pytest.mark.parametrize("uri", ["ftp://a/b", "file:///etc/passwd", "concat://a", "exec://ls"])
def test_an_unknown_scheme_is_one_line(uri: str) -> None:
    with pytest.raises(InputError, match="is not known"):
        open_source(uri)


@pytest.mark.parametrize("scheme", ["srt", "rist", "rtmp", "rtmps", "udp", "rtp", "tcp"])
def test_what_ffmpeg_reads_comes_in_through_a_pipe(scheme: str) -> None:
    said = rf"{scheme}:// is not known \(.*ffmpeg -i {scheme}://… .* \| streamseg run -\)"
    with pytest.raises(InputError, match=said):
        open_source(f"{scheme}://127.0.0.1:9000")


def test_an_empty_name_is_no_folder() -> None:
    """A variable of a shell that is not set gives one."""
    with pytest.raises(InputError, match="is empty"):
        open_source("")
