from __future__ import annotations

import numpy as np
import pytest

from streamseg.rules.shapes import Polygon
from streamseg.rules.zonepixels import ZonePixels


@pytest.mark.parametrize("corners", ["0,0.5 1,0.5 1,1 0,1", "1,1 0,1 0,0.5 1,0.5"])
def test_half_of_the_picture_has_half_of_its_pixels(corners: str) -> None:
    zone = ZonePixels(Polygon(corners), (100, 80), (1080, 1920))
    assert (zone.pixels, zone.top, zone.bottom, zone.left, zone.right) == (4000, 50, 100, 0, 80)
    assert zone.inside is None


def test_pixels_whose_middle_is_inside_belong_to_a_zone() -> None:
    zone = ZonePixels(Polygon([[0, 0], [10, 0], [0, 10]]), (10, 10), (10, 10))
    plane = np.arange(100, dtype=np.uint8).reshape(10, 10)
    inside = {value for value, count in enumerate(zone.counts(plane, 256)) if count}
    assert inside == {y * 10 + x for y in range(10) for x in range(10) if x + y + 1 < 10}


def test_a_zone_with_a_dent_is_exact_and_one_that_crosses_itself_is_even_and_odd() -> None:
    dented = ZonePixels(Polygon([[0, 0], [10, 0], [10, 10], [5, 5], [0, 10]]), (10, 10), (10, 10))
    assert abs(dented.pixels - 75) <= 5
    bow = ZonePixels(Polygon([[0, 0], [10, 10], [10, 0], [0, 10]]), (10, 10), (10, 10))
    assert abs(bow.pixels - 50) <= 10


def test_of_a_zone_beyond_the_picture_the_part_in_it_counts() -> None:
    assert ZonePixels(Polygon([[5, 0], [500, 0], [500, 400], [5, 400]]), (10, 10), (10, 10)).pixels == 50
    beside = ZonePixels(Polygon([[50, 50], [60, 50], [60, 60]]), (10, 10), (10, 10))
    assert beside.pixels == 0
    assert not beside.counts(np.zeros((10, 10), np.uint8), 4).any()


@pytest.mark.parametrize(
    ("written", "pixels"),
    [
        ("1,1 4,1 4,4 1,4", [(0, 0)]),
        ("0,6 60,6 60,9 0,9", [(0, x) for x in range(6)]),
        ("17,0 18,60 19,0", [(y, 1) for y in range(4)]),
        ("5,5 35,35 15,15", [(n, n) for n in range(4)]),
    ],
)
def test_a_zone_between_the_middles_of_all_pixels_has_those_that_it_touches(
    written: str, pixels: list[tuple[int, int]]
) -> None:
    zone = ZonePixels(Polygon(written), (4, 6), (40, 60))
    for y in range(4):
        for x in range(6):
            plane = np.zeros((4, 6), np.uint8)
            plane[y, x] = 1
            assert zone.count(plane) == ((y, x) in pixels)
    assert zone.pixels == len(pixels)
