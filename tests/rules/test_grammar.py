from __future__ import annotations

import pytest

from streamseg.rules.grammar import All, Any, Condition, Lasting, Limit, Not, Rule, Subject

CRACK = Condition(Subject("crack", "area", "belt", unit="%"), Limit(">", 0.5, 2.0))
PERSON = Condition(Subject("person", "count", "door"), Limit(">=", 1))
CAR = Condition(Subject("car", "crosses", "gate", "southwards"), Limit(">", 0))


def test_conditions_say_what_is_measured_where_and_how_much() -> None:
    assert Rule("crack.area in belt > 0.5 % for 2 s").tree == CRACK
    assert Rule("person.count in door >= 1").tree == PERSON
    assert Rule("car.crosses gate southwards").tree == CAR
    assert Rule("car.crosses gate").tree == Condition(Subject("car", "crosses", "gate"), Limit(">", 0))
    assert Rule("'traffic sign'.area>.5%").tree == Condition(Subject("traffic sign", "area", unit="%"), Limit(">", 0.5))
    assert Rule("car.speed in road > 50 km/h").tree == Condition(
        Subject("car", "speed", "road", unit="km/h"), Limit(">", 50)
    )
    assert Rule("person.dwell in door > 1.5 min").tree == Condition(
        Subject("person", "dwell", "door", unit="s"), Limit(">", 90)
    )


def test_a_limit_has_another_at_which_it_ends() -> None:
    rule = Rule("crack.area in belt > 0.5 % for 2 s until < 0.3 % for 500 ms")
    assert rule.tree == Condition(CRACK.subject, CRACK.begins, Limit("<", 0.3, 0.5))


def test_and_binds_more_than_or_and_not_most() -> None:
    text = "person.count in door >= 1 or car.crosses gate southwards and not crack.area in belt > 0.5 % for 2 s"
    assert Rule(text).tree == Any((PERSON, All((CAR, Not(CRACK)))))
    grouped = (
        "(person.count in door >= 1 or car.crosses gate southwards) for 3 s and crack.area in belt > 0.5 % for 2 s"
    )
    assert Rule(grouped).tree == All((Lasting(Any((PERSON, CAR)), 3.0), CRACK))
    assert Rule(grouped).subjects == (PERSON.subject, CAR.subject, CRACK.subject)
    assert Rule(grouped) == grouped  # and it is still the text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "at its end: expected a class, as in person.count"),
        ("person", "at its end: expected '.' and what is measured: crosses, area, count, dwell, speed"),
        ("person.cont in door >= 1", "at character 8, 'cont': expected count, or another of crosses"),
        ("person.count in >= 1", "at character 17, '>=': expected a zone"),
        ("person.count in door", "at its end: expected one of >=, <=, >, <, =, =="),
        ("person.count >= one", "at character 17, 'one': expected a number"),
        ("person.count >= 1 %", "at character 19, '%': expected no unit behind a count"),
        ("person.area > 1 s", "at character 17, 's': expected %"),
        ("car.speed > 50", "at its end: expected px/s or m/s or km/h"),
        ("car.speed > 5 m/s until < 3 px/s", "at its end: expected the same unit as before, m/s"),
        ("car.crosses gate for 2 s", "at character 18, 'for': expected nothing: what crosses does so in one frame"),
        ("car.crosses gate upwards", "at character 18, 'upwards': expected"),
        ("(car.count > 1", "at its end: expected ')'"),
        ("car.count > 1 car.count > 2", "at character 15, 'car': expected"),
        ("car.count > 1; import os", "at character 14, ';': not part of a rule"),
        ("__import__('os').system('x')", "expected '.'"),
        ("not " * 30 + "car.count > 1", "no more than 20 levels"),
        ("a" * 2000, "a rule has 1000 characters at most"),
    ],
)
def test_what_is_no_rule_is_told_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match="expected|not part|at most") as caught:
        Rule(text)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "foreground.area > 1 % until < 50 %",
        "foreground.area > 5 % until > 3 %",
        "foreground.count >= 1 until < 2",
        "foreground.count >= 1 until <= 1",
        "foreground.area < 5 % until > 3 %",
        "foreground.count >= 1.5",
        "foreground.area > 150 %",
    ],
)
def test_what_would_begin_and_end_at_the_same_time_or_never_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Rule(text)


@pytest.mark.parametrize(
    "text",
    [
        "foreground.area > 5 % until < 3 %",
        "foreground.area > 5 % until <= 5 %",
        "foreground.count >= 1 until < 1",
        "foreground.count = 0 until > 0",
        "foreground.area < 5 % until >= 7 %",
    ],
)
def test_an_end_at_the_beginning_or_beyond_is_a_rule(text: str) -> None:
    Rule(text)


def test_a_direction_that_is_none_is_answered_with_the_four() -> None:
    with pytest.raises(ValueError, match="northwards, southwards, eastwards, westwards"):
        Rule("foreground.crosses gate right")
