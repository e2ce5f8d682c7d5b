from __future__ import annotations

import math
import pickle

import pytest

from streamseg.moment import Moment


@pytest.mark.parametrize(
    ("named", "seconds"),
    [
        ("90", 90),
        (" 90.5 ", 90.5),
        (90, 90),
        (0.04, 0.04),
        ("1:30", 90),
        ("00:01:30", 90),
        ("1:02:03.5", 3723.5),
        ("90:00", 5400),
        ("1:2:3", 3723),
    ],
)
def test_a_time_is_seconds_or_what_a_clock_shows(named: str | float, seconds: float) -> None:
    assert Moment(named).seconds == pytest.approx(seconds)
    assert Moment(named).frames is None


@pytest.mark.parametrize("seconds", [12345.678, 0.00001, 1234567.25, 100, 3723.4567, 0, 1e-9])
def test_a_number_is_written_as_it_is_read_again(seconds: float) -> None:
    assert Moment(str(Moment(seconds))).seconds == pytest.approx(seconds, rel=1e-12)
    assert pickle.loads(pickle.dumps(Moment(seconds))).seconds == seconds


def test_an_f_behind_a_number_makes_it_a_frame() -> None:
    assert (Moment("250f").frames, Moment("250f").seconds) == (250, None)
    assert Moment("250f").reached(250, 0.0)
    assert not Moment("250f").reached(249, 1e9)


@pytest.mark.parametrize(
    "named",
    ["", "x", "-1", "-1f", "1.5f", "1e3", "5s", "1:60", "1:90", "1:61:00", "1::2", ":5", "1:2:3:4", "9" * 5000]
    + ["nan", "inf", -1, math.nan, math.inf, True],
)
def test_what_is_no_moment_is_said_in_a_line(named: str | float) -> None:
    with pytest.raises(ValueError, match="neither a time such as 90, 1:30"):
        Moment(named)


def test_a_stamp_that_is_off_by_a_rounding_is_at_its_moment() -> None:
    assert Moment("10").reached(250, 9.9999999)
    assert not Moment("10").reached(249, 9.999)


@pytest.mark.parametrize(
    ("one", "other", "before"),
    [
        ("1", "2", True),
        ("2", "2", False),
        ("3", "2", False),
        ("2f", "3f", True),
        ("3f", "3f", False),
        ("5", "1f", True),
    ],
)
def test_moments_of_one_kind_have_an_order(one: str, other: str, before: bool) -> None:
    assert Moment(one).before(Moment(other)) is before
