from __future__ import annotations

import numpy as np
import pytest

from streamseg.frame import Frame, Image
from streamseg.infer.classical.method import PerFrame, by_size, grey, name_classes, number_classes, shrink
from tests.parts.fakes import frame


def test_the_first_name_is_the_background_and_black() -> None:
    classes = name_classes("background", "edge", "other")
    assert classes.names == ("background", "edge", "other")
    assert classes.background == 0
    assert classes.colours[0].tolist() == [0, 0, 0]
    assert classes.colours[1:].any(1).all()
    assert number_classes(3, "object").names == ("background", "object 1", "object 2", "object 3")


def test_frames_are_looked_at_in_order_each_by_itself() -> None:
    seen: list[int] = []

    def find(image: Image) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        seen.append(int(image[0, 0, 0]))
        return np.full((3, 4), image[0, 0, 0] % 2, np.uint8)

    classes = name_classes("background", "odd")
    found = PerFrame(classes, find)([frame(5), frame(6)])
    assert seen == [5, 6]
    assert [(each.frame_index, each.frame_time_s, int(each.labels[0, 0])) for each in found] == [
        (5, 5 / 25, 1), (6, 6 / 25, 0),
    ]  # fmt: skip
    assert all(each.classes is classes for each in found)
    assert PerFrame(classes, find)([]) == []


def test_grey_weighs_green_more_than_red_and_red_more_than_blue() -> None:
    blue, green, red = (int(grey(np.array([[colour]], np.uint8))[0, 0]) for colour in np.eye(3) * 255)
    assert green > red > blue > 0
    assert int(grey(np.full((1, 1, 3), 255, np.uint8))[0, 0]) == 255


@pytest.mark.parametrize(
    ("size", "small"),
    [((480, 640), (240, 320)), ((640, 480), (320, 240)), ((100, 320), (100, 320)), ((1, 3200), (1, 320))],
)
def test_a_picture_is_made_no_larger_than_asked_and_keeps_its_proportions(
    size: tuple[int, int], small: tuple[int, int]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    made = shrink(picture, 320)
    assert made.shape == (*small, 3)
    assert (made is picture) == (size == small)
    assert made.mean() == pytest.approx(picture.mean(), abs=2)


def test_regions_are_numbered_by_falling_size() -> None:
    regions = np.array([[0, 3, 3, 3], [7, 7, 5, -1]], np.int32)
    assert by_size(regions, 9).tolist() == [[0, 1, 1, 1], [2, 2, 3, 0]]
    assert by_size(regions, 2).tolist() == [[0, 1, 1, 1], [2, 2, 0, 0]]


def test_of_two_as_large_the_first_comes_first() -> None:
    assert by_size(np.array([[4, 4, 2, 2]], np.int32), 9).tolist() == [[2, 2, 1, 1]]


def test_nothing_is_no_region() -> None:
    assert not by_size(np.zeros((2, 3), np.int32), 9).any()
    assert not by_size(np.full((2, 3), -1, np.int32), 9).any()


def test_more_regions_than_a_byte_counts_leave_the_smallest_out() -> None:
    regions = np.repeat(np.arange(1, 1001, dtype=np.int32), 2).reshape(1, -1)
    found = by_size(regions, 254)
    assert set(found.reshape(-1).tolist()) == set(range(255))
    assert (found > 0).sum() == 2 * 254


def test_closing_a_method_twice_is_no_trouble() -> None:
    made = PerFrame(name_classes("a"), lambda image: grey(image))
    made.close()
    made.close()
    assert len(made([Frame(np.zeros((2, 2, 3), np.uint8), 0, 0.0, 0.0)])) == 1
