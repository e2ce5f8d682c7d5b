from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.errors import InputError
from tests.parts import clips, picture_files


def jpeg(number: int, width: int = 320) -> bytes:
    return cv2.imencode(".jpg", clips.numbered(number, width, width * 3 // 4))[1].tobytes()


def seen(path: Path, data: bytes) -> list[int]:
    path.write_bytes(data)
    return [clips.read_number(frame.image) for frame in open_source(str(path))]


@pytest.mark.parametrize("between", [b"", bytes(37)])
def test_jpegs_behind_each_other_are_so_many_pictures(between: bytes, tmp_path: Path) -> None:
    assert seen(tmp_path / "a.jpg", between.join(jpeg(number) for number in range(20))) == list(range(20))


def test_a_gain_map_or_preview_behind_a_picture_is_none(tmp_path: Path) -> None:
    assert seen(tmp_path / "smaller.jpg", jpeg(3) + jpeg(4, 160)) == [3]
    index = b"MPF\0" + bytes(20)
    said = jpeg(3)[:2] + b"\xff\xe2" + (len(index) + 2).to_bytes(2, "big") + index + jpeg(3)[2:]
    assert seen(tmp_path / "said.jpg", said + jpeg(4)) == [3]


def test_a_film_behind_a_picture_is_none(tmp_path: Path) -> None:
    film = clips.clip(tmp_path / "a.mp4", frames=3).read_bytes()
    assert seen(tmp_path / "MVIMG_1.jpg", jpeg(3) + film) == [3]
    assert seen(tmp_path / "thumbnail.jpg", jpeg(3) + b"\xff\xd8\xff junk") == [3]


def test_a_preview_within_a_picture_is_none(tmp_path: Path) -> None:
    small = jpeg(9, 160)
    inside = jpeg(3)[:2] + b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small + jpeg(3)[2:]
    assert seen(tmp_path / "a.jpg", inside) == [3]
    assert seen(tmp_path / "b.jpg", inside * 3) == [3, 3, 3]


def test_progressive_ones_of_many_scans_and_restarts_are_told_apart(tmp_path: Path) -> None:
    options = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 3)
    data = b"".join(cv2.imencode(".jpg", clips.numbered(number), options)[1].tobytes() for number in range(5))
    assert seen(tmp_path / "a.jpg", data) == list(range(5))


def test_a_damaged_one_costs_itself_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = bytearray(jpeg(1))
    at = broken.index(b"\xff\xdb") + 4
    broken[at : at + 65] = bytes(65)
    broken[broken.index(b"\xff\xc4") + 5 : broken.index(b"\xff\xc4") + 20] = b"\xff" * 15
    (tmp_path / "a.jpg").write_bytes(jpeg(0) + bytes(broken) + jpeg(2))
    source = open_source(str(tmp_path / "a.jpg"))
    numbers = [clips.read_number(frame.image) for frame in source]
    assert (numbers[0], numbers[-1]) == (0, 2)
    assert len(numbers) + source.counters["unreadable"] == 3


def test_those_of_enormous_sides_are_refused(tmp_path: Path) -> None:
    raw = bytearray(jpeg(0))
    at = raw.index(b"\xff\xc0") + 5
    raw[at : at + 4] = (30_000).to_bytes(2, "big") * 2
    (tmp_path / "a.jpg").write_bytes(bytes(raw) * 3)
    with pytest.raises(InputError, match="megapixels"):
        open_source(str(tmp_path / "a.jpg"))


def test_pictures_of_one_file_are_turned_as_each_of_them_says(tmp_path: Path) -> None:
    image = picture_files.soft()
    parts = [picture_files.held(tmp_path / f"{n}.jpg", n, image[..., ::-1].copy()).read_bytes() for n in (1, 6, 3)]
    (tmp_path / "all.jpg").write_bytes(b"".join(parts))
    for frame, orientation in zip(open_source(str(tmp_path / "all.jpg")), (1, 6, 3), strict=True):
        assert np.abs(frame.image.astype(int) - picture_files.as_seen(image, orientation)).mean() < 8
