from __future__ import annotations

import numpy as np
import pytest

from streamseg.privacy.lost import LOST_S, Vanished
from streamseg.yuv import Plane


def mask(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (90, 160)) -> Plane:
    plane = np.zeros(shape, np.uint8)
    for top, bottom, left, right in boxes:
        plane[top:bottom, left:right] = 255
    return plane


PERSON, OTHER, EDGE, SPECK = (20, 60, 30, 50), (30, 70, 100, 120), (20, 60, 0, 20), (5, 8, 80, 83)


def test_what_moves_or_shrinks_is_not_lost() -> None:
    vanished = Vanished()
    for step in range(20):
        assert not vanished(mask((20 + step, 60, 30 + 3 * step, 50 + 3 * step)), step / 25)


def test_what_is_gone_at_once_is_lost_until_it_comes_back_nearby_or_some_time_has_passed() -> None:
    vanished = Vanished()
    assert not vanished(mask(PERSON, OTHER), 0.0)
    assert vanished(mask(OTHER), 0.04)
    assert not vanished(mask((24, 64, 34, 54), OTHER), 0.08)
    assert vanished(mask(OTHER), 0.12)
    assert vanished(mask(OTHER), 0.12 + LOST_S - 0.01)
    assert not vanished(mask(OTHER), 0.12 + LOST_S)


def test_a_second_one_is_lost_for_its_own_time() -> None:
    vanished = Vanished()
    vanished(mask(PERSON, OTHER), 0.0)
    assert vanished(mask(OTHER), 0.1)
    assert vanished(mask(), 0.4)
    assert vanished(mask(), 0.1 + LOST_S)
    assert not vanished(mask(), 0.4 + LOST_S)


def test_what_leaves_over_the_edge_and_what_is_tiny_is_not_lost() -> None:
    vanished = Vanished()
    vanished(mask(EDGE, SPECK), 0.0)
    assert not vanished(mask(), 0.04)


@pytest.mark.parametrize("shape", [(45, 80), (180, 320), (1, 1)])
def test_what_is_lost_stays_so_where_masks_get_another_size(shape: tuple[int, int]) -> None:
    vanished = Vanished()
    vanished(mask(PERSON), 0.0)
    assert vanished(mask(), 0.04)
    assert vanished(mask(shape=shape), 0.08)
    assert not vanished(mask(shape=shape), 0.04 + LOST_S)


def test_what_is_gone_from_a_mask_of_another_size_is_lost() -> None:
    vanished = Vanished()
    vanished(mask(PERSON), 0.0)
    assert vanished(mask(shape=(45, 80)), 0.04)
    assert not vanished(mask(PERSON), 0.08)


def test_nothing_is_lost_behind_a_cut() -> None:
    vanished = Vanished()
    vanished(mask(PERSON), 0.08)
    vanished.forget()
    assert not vanished(mask(), 0.12)
