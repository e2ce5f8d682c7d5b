from __future__ import annotations

import numpy as np
import pytest

from streamseg.rules.shapes import Ground, Line, Polygon, is_name


def test_points_are_fractions_of_the_picture_or_pixels() -> None:
    assert Polygon("0,0.5 1,0.5 1,1").pixels(200, 100).tolist() == [[0, 50], [200, 50], [200, 100]]
    assert Polygon([[0, 50], [200, 50], [200, 100]]).pixels(640, 480).tolist() == [[0, 50], [200, 50], [200, 100]]


@pytest.mark.parametrize(
    ("kind", "written", "problem"),
    [
        (Polygon, [[0, 0], [1, 1]], "3 to 100 corners"),
        (Polygon, "0,0 1,1 x,1", "3 to 100 corners"),
        (Polygon, 7, "3 to 100 corners"),
        (Polygon, [[0, 0], [1, 1, 1], [0, 1]], "3 to 100 corners"),
        (Polygon, [[0, 0], [0, 0], [1, 1]], "are the same"),
        (Polygon, [[0, 0.5], [640, 0], [640, 480]], "are mixed"),
        (Line, [[-1, 0], [1, 1]], "outside of the picture"),
        (Line, [[0, 0], [float("nan"), 1]], "outside of the picture"),
        (Line, [[0, 0], [1, 1], [1, 0]], "two ends"),
        (Polygon, "0,0.5", "3 to 100 corners in quotes, such as '0,0.5 1,0.5 1,1'"),
        (Line, "0.5,0", "two ends in quotes, such as '0.5,0 0.5,1'"),
        (Ground, [[0, 0, 0, 0]], "four points"),
    ],
)
def test_what_is_no_shape_is_told(kind: type, written: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        kind(written)


def test_a_line_is_crossed_up_and_down_or_left_and_right() -> None:
    assert Line("0,0.5 1,0.6").directions == ("northwards", "southwards")
    assert Line("0.5,1 0.6,0").directions == ("westwards", "eastwards")


def test_four_points_of_the_ground_measure_it() -> None:
    ground = Ground([[0, 0, 0, 0], [1, 0, 10, 0], [1, 1, 10, 5], [0, 1, 0, 5]])
    x, y, w = ground.homography(1000, 500) @ (500, 250, 1)
    assert np.allclose((x / w, y / w), (5, 2.5))


def test_names_are_words() -> None:
    assert all(map(is_name, ("belt", "belt-2", "türe", "a_b")))
    assert not any(map(is_name, ("", "2belt", "a b", "a.b", "x" * 65)))


@pytest.mark.parametrize("shape", [Polygon, Line])
def test_a_fraction_just_above_one_makes_no_zone_of_a_pixel(shape: type[Polygon] | type[Line]) -> None:
    with pytest.raises(ValueError, match="fractions of the picture go from 0 to 1"):
        shape([[0.0, 0.0], [1.01, 0.0], [1.01, 1.0]][: shape.least])


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ("0,0,0,0 1,0,64,36 1,1,64,0 0,1,0,36", "go round otherwise"),
        ("0,0,0,0 0.3,0,64,0 0.6,0,64,36 1,0,0,36", "in a line"),
        ("0,0,0,0 1,0,20,0 1,1,40,0 0,1,60,0", "in a line"),
    ],
)
def test_points_that_are_no_plane_are_no_ground(points: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Ground(points)


@pytest.mark.parametrize("turned", ["0,0,0,0 1,0,64,0 1,1,64,36 0,1,0,36", "0,0,0,36 1,0,64,36 1,1,64,0 0,1,0,0"])
def test_ground_may_be_seen_from_either_side(turned: str) -> None:
    Ground(turned)
