from __future__ import annotations

import numpy as np
import pytest

from streamseg.frame import Image
from streamseg.render.text import WHITE, blend_panel, make_panel, put_text, text_scale


def flat(height: int, width: int, value: int = 120) -> Image:
    return np.full((height, width, 3), value, np.uint8)


def test_text_grows_with_the_picture_and_stays_readable() -> None:
    assert text_scale(flat(1800, 10)) == pytest.approx(2 * text_scale(flat(900, 10)))
    assert text_scale(flat(10, 10)) == text_scale(flat(100, 10)) == 0.4


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_letters_are_readable_on_any_ground(ground: int) -> None:
    picture = flat(60, 200, ground)
    put_text(picture, "car 97 %", 10, 40, 1.0)
    assert picture.max() >= min(WHITE) - 20
    assert picture.min() <= 20


def test_a_line_stands_on_its_corner() -> None:
    picture = flat(100, 200, 128)
    put_text(picture, "H", 50, 60, 1.0)
    rows, columns = np.nonzero((picture != 128).any(2))
    assert 40 <= columns.min() <= 55
    assert columns.max() < 100
    assert 55 <= rows.max() <= 65
    assert rows.min() > 20


def test_a_panel_has_a_line_for_each_text_and_is_as_wide_as_the_longest() -> None:
    one, two = make_panel([("road", None)], 1.0), make_panel([("road", None), ("a longer line", None)], 1.0)
    assert two.shape[0] - one.shape[0] == 30
    assert two.shape[1] > one.shape[1]
    assert make_panel([("a longer line", None)], 1.0).shape[1] == two.shape[1]
    upper, lower = two[10:40], two[40:70]
    assert upper.any() and lower.any()
    assert np.flatnonzero(lower.any((0, 2))).max() > np.flatnonzero(upper.any((0, 2))).max()
    assert not two[:, :5].any() and not two[:, -5:].any()


def test_a_name_with_a_line_break_stays_in_its_line() -> None:
    broken, below = make_panel([("HHH\nHHH", None), ("", None)], 1.0), flat(100, 200)
    assert broken[10:40].any() and not broken[42:].any()
    put_text(below, "HHH\nHHH", 10, 40, 1.0)
    assert (below[50:] == 120).all()


def test_a_colour_stands_before_its_text() -> None:
    panel = make_panel([("road", (10, 20, 240)), ("sky", None)], 1.0)
    square = (panel == (10, 20, 240)).all(2)
    rows, columns = np.nonzero(square)
    assert square.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert rows.max() < 40
    text = np.nonzero(panel[40:].any(2))[1]
    assert text.min() > columns.max()
    assert panel.shape[1] == make_panel([("road", None)], 1.0).shape[1] + 30


def test_a_panel_of_nothing_is_empty_and_does_no_harm() -> None:
    panel, picture = make_panel([], 1.0), flat(40, 40)
    assert not panel.any()
    blend_panel(picture, panel, 0, 0)
    assert (picture[20:] == 120).all()


def test_under_a_panel_the_picture_is_darker_and_beside_it_as_it_was() -> None:
    picture, panel = flat(50, 80, 100), np.zeros((10, 20, 3), np.uint8)
    panel[0, 0] = 200
    blend_panel(picture, panel, 5, 7)
    assert picture[7, 5].tolist() == [235] * 3
    assert (picture[8:17, 5:25] == 35).all()
    picture[7:17, 5:25] = 100
    assert (picture == 100).all()


@pytest.mark.parametrize(
    ("x", "y", "dark"),
    [(70, 0, (10, 10)), (0, 45, (5, 20)), (70, 45, (5, 10)), (80, 0, (0, 0)), (0, 50, (0, 0)), (-9, -9, (10, 20))],
)
def test_what_does_not_fit_is_left_out(x: int, y: int, dark: tuple[int, int]) -> None:
    picture = flat(50, 80, 100)
    blend_panel(picture, np.zeros((10, 20, 3), np.uint8), x, y)
    assert int((picture[:, :, 0] == 35).sum()) == dark[0] * dark[1]
    assert int((picture[:, :, 0] == 100).sum()) == 50 * 80 - dark[0] * dark[1]
