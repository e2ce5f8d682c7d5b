"""Whether two ways of carrying masks are the same, mask by mask."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.motion.comparison import Comparison, Plane


def mask(edge: int, *, width: int = 400) -> Plane:
    """Two classes, of which the first is `edge` columns wide."""
    made = np.ones((100, width), np.uint8)
    made[:, :edge] = 0
    return made


def test_one_mask_of_which_enough_changed_is_enough() -> None:
    assert Comparison()(mask(100), mask(110), mask(110))
    assert Comparison()(mask(100), mask(110), mask(111))


def test_fast_things_may_be_found_a_little_elsewhere() -> None:
    compare = Comparison()
    assert compare(mask(100), mask(180), mask(195))  # 3.8 % of the pixels, of 20 % that changed
    assert compare.unlike is None


@pytest.mark.parametrize("there", [100, 105, 130])
def test_what_moves_otherwise_is_another_way(there: int) -> None:
    compare = Comparison()
    assert not compare(mask(100), mask(115), mask(there))
    assert compare.unlike == pytest.approx(abs(115 - there) / 400)


def test_what_changes_little_is_compared_for_longer() -> None:
    compare = Comparison()
    assert [compare(mask(100), mask(101), mask(101)) for _ in range(3)] == [False, True, True]


def test_little_that_is_wrong_each_time_comes_out() -> None:
    compare = Comparison()
    assert not any(compare(mask(100), mask(102), mask(100)) for _ in range(100))
    assert compare.unlike == pytest.approx(0.005)


def test_where_nothing_moves_that_is_taken_for_the_same_in_the_end() -> None:
    compare = Comparison()
    assert [compare(mask(100), mask(100), mask(100)) for _ in range(100)] == [False] * 99 + [True]


def test_one_class_another_size_and_what_was_not_carried_say_nothing() -> None:
    compare = Comparison()
    assert not any(compare(mask(100), mask(0), mask(0)) for _ in range(200))
    assert not any(compare(before := mask(100), mask(110), before) for _ in range(200))
    assert not any(compare(mask(100), mask(110), mask(110, width=200)) for _ in range(200))
    assert compare.unlike is None
