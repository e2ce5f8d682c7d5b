from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.render.background import Blur, Replace, _cover
from streamseg.segmentation import Classes, Segmentation

CLASSES = Classes(("background", "person"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), 0)


def portrait() -> tuple[Frame, Segmentation]:
    """A red square, the person, on blue and white stripes."""
    image = np.full((240, 320, 3), (255, 0, 0), np.uint8)
    image[:, ::8] = 255
    image[80:160, 120:200] = (0, 0, 255)
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 30:50] = 1
    return Frame(image, 0, 0.0, 0.0), Segmentation(labels, CLASSES, 0, 0.0)


def shown(view: Blur | Replace) -> tuple[Image, Image]:
    frame, segmentation = portrait()
    picture = np.zeros_like(frame.image)
    view(picture, frame, segmentation, 0.5)
    return frame.image, picture


def test_the_person_stays_sharp_and_the_rest_is_blurred() -> None:
    image, picture = shown(Blur())
    assert np.abs(picture[88:152, 128:192].astype(int) - image[88:152, 128:192]).max() <= 1
    assert picture[:, :100].std(axis=1).max() < image[:, :100].std(axis=1).max() / 3


def test_the_blur_has_no_halo_of_the_persons_colour() -> None:
    _, picture = shown(Blur())
    around = picture[60:70, 120:200]  # ten pixels above the person: blue and white only, so blue rules red
    assert (around[:, :, 0].astype(int) >= around[:, :, 2]).all()


@pytest.mark.parametrize("colour", ["#102030", "rgb(16, 32, 48)"])
def test_a_colour_replaces_the_background(colour: str) -> None:
    image, picture = shown(Replace(colour))
    assert (picture[:60] == (0x30, 0x20, 0x10)).all()
    assert np.abs(picture[88:152, 128:192].astype(int) - image[88:152, 128:192]).max() <= 1


def test_a_colour_has_the_name_that_it_has_on_pages() -> None:
    _, picture = shown(Replace("red"))
    assert (picture[:60] == (0, 0, 255)).all()


def test_a_picture_replaces_the_background_and_covers_it(tmp_path: Path) -> None:
    path = tmp_path / "beach.png"
    cv2.imwrite(str(path), np.full((10, 100, 3), (7, 8, 9), np.uint8))
    _, picture = shown(Replace(str(path)))
    assert (picture[:60] == (7, 8, 9)).all()


@pytest.mark.parametrize("wanted", ["#12", "#gggggg", "nowhere.png"])
def test_a_background_that_is_none_is_one_line(wanted: str) -> None:
    with pytest.raises(InputError, match="background"):
        Replace(wanted)


def test_a_file_that_is_no_picture_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"not a picture")
    with pytest.raises(InputError, match="not a picture"):
        Replace(str(path))


def test_a_long_strip_costs_no_more_memory_than_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def resize(image: Image, size: tuple[int, int], **more: int) -> Image:
        asked.append(size[0] * size[1])
        return np.zeros((size[1], size[0], 3), np.uint8)

    monkeypatch.setattr("streamseg.render.background.cv2.resize", resize)
    _cover(np.zeros((1, 1, 3), np.uint8), 10, 40_000)
    assert asked == [10 * 40_000]


def test_of_a_picture_that_is_too_wide_the_middle_is_behind() -> None:
    stripes = np.repeat(np.arange(9, dtype=np.uint8)[None, :, None], 3, 2).repeat(3, 0)
    np.testing.assert_array_equal(_cover(stripes, 3, 5), stripes[:, 2:7])
