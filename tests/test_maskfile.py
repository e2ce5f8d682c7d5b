from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageCms

from streamseg.errors import InputError
from streamseg.maskfile import black_and_white, read_mask
from streamseg.sinks.images import indexed_png

RANDOM = np.random.default_rng(1)


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def packed_png(labels: NDArray[np.uint8], depth: int) -> bytes:
    """An indexed PNG of `depth` bits a pixel, its colours in no order, the first one transparent."""
    height, width = labels.shape
    bits = np.unpackbits(labels[:, :, None], axis=2)[:, :, 8 - depth :].reshape(height, -1)
    rows = np.packbits(bits, axis=1)
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, 3, 0, 0, 0])
    palette = RANDOM.integers(0, 256, 3 << depth, dtype=np.uint8).tobytes()
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [chunk(b"IHDR", head), chunk(b"PLTE", palette), chunk(b"tRNS", b"\0"), chunk(b"IDAT", body)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_of_an_indexed_png_the_numbers_are_read_and_not_the_colours(tmp_path: Path, depth: int) -> None:
    labels = RANDOM.integers(0, 1 << depth, (17, 23), dtype=np.uint8)
    file = tmp_path / "mask.png"
    file.write_bytes(packed_png(labels, depth))
    np.testing.assert_array_equal(read_mask(file), labels)


def test_the_colour_profile_that_a_paint_program_adds_is_passed_over(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels, file = RANDOM.integers(0, 16, (17, 23), dtype=np.uint8), tmp_path / "mask.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    png = packed_png(labels, 4)
    file.write_bytes(png[:33] + chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(profile)) + png[33:])
    np.testing.assert_array_equal(read_mask(file), labels)
    assert capfd.readouterr().err == ""  # libpng's own words


def test_masks_that_a_run_wrote_are_read_again(tmp_path: Path) -> None:
    labels = RANDOM.integers(0, 11, (30, 40), dtype=np.uint8)
    file = tmp_path / "mask.png"
    file.write_bytes(indexed_png(labels, RANDOM.integers(0, 256, (11, 3), dtype=np.uint8)))
    np.testing.assert_array_equal(read_mask(file), labels)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_masks_are_read_as_they_are(tmp_path: Path, kind: type) -> None:
    labels: NDArray[Any] = RANDOM.integers(0, np.iinfo(kind).max, (9, 11)).astype(kind)
    cv2.imwrite(str(tmp_path / "mask.png"), labels)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), labels)


@pytest.mark.parametrize("length", [0, 8, 26, 40, 60])
def test_an_indexed_png_that_is_cut_off_is_one_clear_line(tmp_path: Path, length: int) -> None:
    file = tmp_path / "mask.png"
    file.write_bytes(packed_png(RANDOM.integers(0, 4, (17, 23), dtype=np.uint8), 2)[:length])
    with pytest.raises(InputError, match=r"mask\.png: cannot be read as a picture"):
        read_mask(file)


def test_black_and_white_is_a_matter_of_all_masks(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, values in zip(files, ([0, 0], [0, 255], [0, 1]), strict=True):
        cv2.imwrite(str(file), np.array([values], np.uint8))
    assert black_and_white(files[:2])
    assert not black_and_white(files)
    assert not black_and_white(files[:1])
