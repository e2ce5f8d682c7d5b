from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.features
import pytest

from streamseg.imagefile import read_image
from tests.parts import picture_files

AVIF = pytest.param("a.avif", marks=pytest.mark.skipif(not PIL.features.check("avif"), reason="a Pillow without AVIF"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a-lzw.tif", AVIF])
def test_every_way_to_hold_a_camera_is_believed(name: str, orientation: int, tmp_path: Path) -> None:
    image = picture_files.soft()
    path = picture_files.held(tmp_path / name, orientation, image[..., ::-1].copy())
    wanted, found = picture_files.as_seen(image, orientation), read_image(path)
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a-lzw.tif"])
def test_so_it_is_with_16_bits(name: str, orientation: int, tmp_path: Path) -> None:
    path = picture_files.held(tmp_path / name, orientation, picture_files.grey().astype(np.uint16) * 16)
    wanted = picture_files.as_seen(picture_files.grey(), orientation)
    assert (read_image(path)[..., 0] == wanted).all()


def test_a_number_that_means_nothing_turns_nothing(tmp_path: Path) -> None:
    path = picture_files.held(tmp_path / "a.png", 77, picture_files.grey())
    assert (read_image(path)[..., 0] == picture_files.grey()).all()
