from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.imagefile import read_image
from tests.parts import picture_files

BITS = [9, 10, 12, 14, 16]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jp2"])
def test_fewer_bits_in_16_are_no_black_picture(name: str, bits: int, tmp_path: Path) -> None:
    values = np.rint(picture_files.grey() / 255 * ((1 << bits) - 1)).astype(np.uint16)
    assert cv2.imwrite(str(tmp_path / name), values)
    wanted = picture_files.grey().astype(int)
    assert np.abs(read_image(tmp_path / name)[..., 1] - wanted).max() <= (3 if name == "a.jp2" else 1)


@pytest.mark.parametrize("bits", BITS)
def test_so_are_those_of_the_portable_formats(bits: int, tmp_path: Path) -> None:
    most = (1 << bits) - 1
    grey = np.rint(picture_files.grey() / 255 * most).astype(">u2")
    colours = np.rint(picture_files.soft() / 255 * most).astype(">u2")
    head = f"{picture_files.WIDTH} {picture_files.HEIGHT} {most}\n".encode()
    (tmp_path / "a.pgm").write_bytes(b"P5 " + head + grey.tobytes())
    (tmp_path / "a.ppm").write_bytes(b"P6 " + head + colours[..., ::-1].tobytes())
    assert np.abs(read_image(tmp_path / "a.pgm").astype(int) - picture_files.grey()[..., None]).max() <= 1
    assert np.abs(read_image(tmp_path / "a.ppm").astype(int) - picture_files.soft()).max() <= 1


def test_the_range_is_the_files_own_and_is_said_once_for_a_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture_files.grey(number).astype(np.uint16) * 9 + 300)
    found = list(open_source(str(tmp_path)))
    for number, frame in enumerate(found):
        assert (frame.image[..., 0] == picture_files.grey(number)).all()
    (record,) = caplog.records
    assert "300 is shown as black, 2595 as white" in record.getMessage()


def test_eight_bits_are_never_stretched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.asarray(picture_files.soft() // 4 + 20))
    (frame,) = open_source(str(tmp_path / "a.png"))
    assert (frame.image == picture_files.soft() // 4 + 20).all()
    assert not caplog.records


def test_a_wide_gamut_photograph_of_ten_bits_is_not_stretched(tmp_path: Path) -> None:
    values = (picture_files.soft().astype(np.uint16) // 4 + 40) * 4
    try:
        written = cv2.imwrite(
            str(tmp_path / "a.avif"), values, (cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100)
        )
    except cv2.error:
        written = False
    if not written:
        pytest.skip("this OpenCV writes no AVIF")
    assert np.abs(read_image(tmp_path / "a.avif").astype(int) - (picture_files.soft() // 4 + 40)).mean() < 3


def test_a_picture_of_one_value_is_not_divided_by_nothing(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((5, 6), 77 * 257, np.uint16))
    assert (read_image(tmp_path / "a.png") == 77).all()
    (tmp_path / "b.pgm").write_bytes(b"P5 1 1 65535\n" + struct.pack(">H", 0))
    assert (read_image(tmp_path / "b.pgm") == 0).all()
