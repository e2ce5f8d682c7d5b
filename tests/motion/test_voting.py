from __future__ import annotations

import numpy as np
import pytest

from streamseg.motion.voting import Plane, Voters, elect, share, voters_around


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 40])
def test_however_few_pixels_ask_each_gets_the_answer_that_it_gets_among_many(count: int) -> None:
    random = np.random.default_rng(0)
    planes = random.integers(0, 12, (3, 12, 16), np.uint8)
    ids, likely = (random.integers(0, most, (12, 16), np.uint8) for most in (5, 256))
    places = random.permutation(ids.size)
    around = voters_around(2.0)

    def asked(values: Plane, n: int) -> Plane:
        looks, motion = planes.reshape(3, -1)[:, places[:n]], values.reshape(-1)[places[:n]]
        sides = [Voters(tuple(planes), values, places[:n])]
        if values is likely:
            return share(tuple(looks), motion, sides, around)
        return elect(tuple(looks), motion, np.full_like(motion, 2), sides, around)

    for values in (ids, likely):
        among_many = asked(values, ids.size)
        np.testing.assert_array_equal(asked(values, count), among_many[:count])
    assert 0 < np.mean(asked(ids, ids.size) != ids.reshape(-1)[places]) < 0.5


def one_pixel(neighbours: list[tuple[int, int]], looks: tuple[int, int, int] = (100, 128, 128)) -> int:
    """What a pixel of label 1 becomes, its rival being 2, among those (label, brightness) in a row."""
    values, bright = (np.array([row], np.uint8) for row in zip(*neighbours, strict=True))
    colour = np.full_like(values, 128)
    sides = [Voters((bright, colour, colour), values, np.array([len(neighbours) // 2], np.intp))]
    own = tuple(np.array([each], np.uint8) for each in looks)
    said = np.array([1], np.uint8)
    return int(elect(own, said, said + np.uint8(1), sides, voters_around(1.0))[0])  # type: ignore[arg-type]


def test_those_that_look_like_it_win_whatever_the_motion_says() -> None:
    assert one_pixel([(2, 100), (1, 180), (1, 180)]) == 2
    assert one_pixel([(1, 100), (1, 180), (2, 180)]) == 1


def test_where_nothing_looks_like_it_the_motion_decides() -> None:
    assert one_pixel([(2, 230), (1, 240), (2, 230)]) == 1


def test_colour_counts_as_brightness_does() -> None:
    values = np.array([[2, 1, 1]], np.uint8)
    same, blue = np.full((1, 3), 100, np.uint8), np.array([[160, 100, 100]], np.uint8)
    sides = [Voters((same, blue, same), values, np.array([1], np.intp))]
    own = np.array([100], np.uint8), np.array([160], np.uint8), np.array([100], np.uint8)
    one = np.array([1], np.uint8)
    assert elect(own, one, one + np.uint8(1), sides, voters_around(1.0))[0] == 2


def test_a_change_of_exposure_changes_no_vote() -> None:
    values = np.array([[2, 1, 1]], np.uint8)
    bright, grey = np.array([[60, 140, 140]], np.uint8), np.full((1, 3), 128, np.uint8)
    sides = [Voters((bright, grey, grey), values, np.array([1], np.intp), darker=40.0)]
    own, one = (np.array([each], np.uint8) for each in (100, 1))
    middle = np.array([128], np.uint8)
    assert elect((own, middle, middle), one, one + np.uint8(1), sides, voters_around(1.0))[0] == 2
