from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamseg.infer.pose.place import Place, place_of

TURNS = (0.0, 0.6, np.pi / 2, np.pi, -2.0)


def standing(hip: tuple[float, float], turn: float, reach: float) -> Place:
    up = np.array([np.sin(turn), -np.cos(turn)]) * reach
    return place_of(np.array(hip), np.array(hip) + up)


@pytest.mark.parametrize("turn", TURNS)
def test_a_place_lies_around_the_hips_and_is_turned_as_the_person_is(turn: float) -> None:
    place = standing((300, 200), turn, 80)
    assert (place.x, place.y) == (300, 200)
    assert place.side == pytest.approx(2 * 80 * 1.25)
    assert np.cos(place.turn - turn) == pytest.approx(1)


@pytest.mark.parametrize("turn", TURNS)
def test_whoever_lies_askew_stands_upright_in_the_crop(turn: float) -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    head = np.array([300, 200]) + np.array([np.sin(turn), -np.cos(turn)]) * 60
    cv2.circle(image, (round(head[0]), round(head[1])), 12, (255, 255, 255), -1)
    crop = standing((300, 200), turn, 80).cut(image, 256)
    rows, columns = np.nonzero(crop[..., 0] > 127)
    assert columns.mean() == pytest.approx(127.5, abs=2)
    assert rows.mean() == pytest.approx(128 - 60 * 256 / 200, abs=2)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("size", [(400, 600), (200, 300), (100, 150)])
def test_what_was_cut_out_goes_back_to_where_it_was(turn: float, size: tuple[int, int]) -> None:
    truth = np.zeros((400, 600, 3), np.uint8)
    cv2.ellipse(truth, (320, 190), (70, 30), 20, 0, 360, (255, 255, 255), -1)
    place = standing((300, 200), turn, 90)
    crop = np.asarray(place.cut(truth, 256)[..., 0] / 255, np.float32)
    back = place.put_back(crop, size, (400, 600))
    expected = cv2.resize(truth[..., 0], size[::-1], interpolation=cv2.INTER_AREA) > 127
    both = (expected & (back > 0.5)).sum() / (expected | (back > 0.5)).sum()
    assert back.shape == size
    assert both > 0.95


def test_two_places_around_one_person_are_told_from_two_persons() -> None:
    one = Place(100, 100, 90, 0)
    assert one.overlaps(Place(110, 95, 100, 0.3))
    assert not one.overlaps(Place(150, 100, 90, 0))
    assert not one.overlaps(Place(115, 100, 20, 0))
