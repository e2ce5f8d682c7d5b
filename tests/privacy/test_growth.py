from __future__ import annotations

import numpy as np
import pytest

from streamseg.privacy.growth import grown


def square(side: int, at: int = 100) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    mask = np.zeros((240, 320), np.uint8)
    mask[at : at + side, at : at + side] = 255
    return mask


def reach(side: int, age_s: float = 0.0) -> int:
    return int((grown(square(side), age_s)[100 + side // 2] > 0).sum() - side) // 2


def test_what_is_large_or_old_is_grown_further() -> None:
    assert 2 <= reach(4) < reach(40) < reach(90)
    assert reach(40) < reach(40, 0.2) < reach(40, 0.5)


def test_each_object_is_grown_by_its_own_size() -> None:
    both = square(60, 20) | square(4, 200)
    alone = grown(square(60, 20), 0.1) | grown(square(4, 200), 0.1)
    assert np.array_equal(grown(both, 0.1), alone)


def test_all_but_an_object_takes_from_it_what_would_be_added_to_it() -> None:
    kept = np.flatnonzero(grown(255 - square(60), 0.0, all_but=True)[130] == 0)
    assert abs((60 - len(kept)) // 2 - reach(60)) <= 1
    assert 100 < kept[0] <= kept[-1] < 160


@pytest.mark.parametrize("all_but", [False, True])
@pytest.mark.parametrize("value", [0, 255])
def test_nothing_and_everything_stay_what_they_are(all_but: bool, value: int) -> None:
    mask = np.full((6, 8), value, np.uint8)
    assert np.array_equal(grown(mask, 0.3, all_but=all_but), mask)
