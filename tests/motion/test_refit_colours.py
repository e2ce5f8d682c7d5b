"""How likely a pixel is an object's by its colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.motion.flow import grid, look_at
from streamseg.motion.refit import pictures, soft
from streamseg.motion.refit_colours import SIZE, likely, likely_colours
from tests.motion.clips import frame
from tests.motion.test_refit import drawn

HIGH, WIDE = SIZE
GREY, RED = np.array((120, 128, 128), np.uint8), np.array((100, 100, 190), np.uint8)


def painted(*parts: tuple[slice, slice]) -> NDArray[np.uint8]:
    """(3, h, w): parts that are red, the rest grey."""
    picture = np.empty((3, *SIZE), np.uint8)
    picture[:] = GREY[:, None, None]
    for part in parts:
        picture[:, part[0], part[1]] = RED[:, None, None]
    return picture


LEFT, RIGHT = np.s_[30:60, 20:50], np.s_[30:60, 110:140]


def mask() -> NDArray[np.uint8]:
    """Only what is on the left is the object."""
    plane = np.zeros(SIZE, np.uint8)
    plane[LEFT] = 255
    return plane


def test_the_objects_colours_are_likely_and_those_around_it_are_not() -> None:
    image, labels = drawn(2)
    picture = pictures(look_at(frame(2, image)))
    planes = likely(picture, likely_colours(picture, soft(labels, 1)), None)
    assert planes.shape == (2, *SIZE)
    assert planes.dtype == np.uint8
    row = SIZE[0] // 2
    for plane in planes:
        assert plane[row, round(82 / 320 * WIDE)] > 220
        assert plane[row, round(140 / 320 * WIDE)] < 90


def test_what_looks_the_same_elsewhere_is_told_by_its_place() -> None:
    picture = painted(LEFT, RIGHT)
    everywhere, near = likely(picture, likely_colours(picture, mask()), None)
    assert everywhere[45, 35] == everywhere[45, 125]
    assert near[45, 35] > 240
    assert near[45, 125] < 15


def test_colours_are_looked_for_where_the_pixel_was() -> None:
    before, now = painted(LEFT, RIGHT), painted(np.s_[30:60, 60:90], np.s_[30:60, 125:155])
    places = grid(SIZE) - np.array([40, 0], np.float32)
    colours = likely_colours(before, mask())
    assert likely(now, colours, places)[1, 45, 75] > 240
    assert likely(now, colours, grid(SIZE))[1, 45, 75] < 128


def test_what_was_never_seen_there_is_unsure() -> None:
    picture = painted(LEFT)
    near = likely(np.full((3, *SIZE), 250, np.uint8), likely_colours(picture, mask()), None)[1]
    assert set(np.unique(near)) == {127}


def test_places_outside_the_picture_are_those_at_its_edge() -> None:
    picture = painted(LEFT)
    colours = likely_colours(picture, mask())
    for far in (-1e4, 1e4):
        near = likely(picture, colours, grid(SIZE) + np.float32(far))[1]
        assert (near[0, :10] < 128).all()


def test_two_runs_give_the_same() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (3, *SIZE), np.uint8)
    one, other = (likely(picture, likely_colours(picture, mask()), None) for _ in range(2))
    np.testing.assert_array_equal(one, other)
