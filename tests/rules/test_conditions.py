from __future__ import annotations

from collections.abc import Sequence

from streamseg.rules.conditions import Instant, leading, state_of
from streamseg.rules.grammar import Rule


def held(text: str, *columns: Sequence[float], step_s: float = 0.5) -> list[tuple[float, float]]:
    """When the rule held, and since when, told the values of each of its subjects frame by frame."""
    rule = Rule(text)
    state, found = state_of(rule.tree), []
    for number, values in enumerate(zip(*columns, strict=True)):
        measured = dict(zip(dict.fromkeys(rule.subjects), values, strict=True))
        now = Instant(number * step_s, "")
        if (since := state.update(measured, now)) is not None:
            found.append((now.time_s, since.time_s))
    return found


def test_a_limit_holds_while_it_is_reached() -> None:
    assert held("a.count >= 2", [1, 2, 3, 1, 2]) == [(0.5, 0.5), (1.0, 0.5), (2.0, 2.0)]
    assert held("a.count = 0", [1, 0, 2]) == [(0.5, 0.5)]


def test_a_limit_that_must_last_holds_late_and_began_early() -> None:
    assert held("a.count > 1 for 1 s", [2, 2, 0, 2, 2, 2, 2, 0]) == [(2.5, 1.5), (3.0, 1.5)]


def test_between_two_limits_it_stays_as_it_is() -> None:
    values = [0.4, 0.6, 0.4, 0.2, 0.4, 0.6]
    assert held("a.area > 0.5 % until < 0.3 %", values) == [(0.5, 0.5), (1.0, 0.5), (2.5, 2.5)]
    values = [0.6, 0.2, 0.4, 0.2, 0.2, 0.2]
    assert held("a.area > 0.5 % until < 0.3 % for 1 s", values) == [(t / 2, 0.0) for t in range(5)]


def test_what_joins_conditions_knows_since_when() -> None:
    a, b = [1, 1, 1, 0, 0], [0, 1, 1, 1, 0]
    assert held("a.count > 0 and b.count > 0", a, b) == [(0.5, 0.5), (1.0, 0.5)]
    assert held("a.count > 0 or b.count > 0", a, b) == [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (1.5, 0.0)]
    assert held("not a.count > 0", a) == [(1.5, 1.5), (2.0, 1.5)]
    assert held("(a.count > 0 or b.count > 0) for 1 s", a, b) == [(1.0, 0.0), (1.5, 0.0)]


def test_a_crossing_holds_for_its_frame_and_begins_with_each() -> None:
    assert held("a.crosses gate", [0, 1, 2, 0]) == [(0.5, 0.5), (1.0, 1.0)]
    assert held("a.crosses gate and b.count > 0", [0, 1, 2, 0], [1, 1, 1, 1]) == [(0.5, 0.5), (1.0, 1.0)]


def test_a_rule_tells_the_value_of_the_condition_that_holds() -> None:
    rule = Rule("a.count > 0 or (b.count > 0 and not c.count > 5)")
    state, (a, b, c) = state_of(rule.tree), rule.subjects
    assert leading(state) == a
    state.update({a: 0, b: 3, c: 0}, Instant(0.0, ""))
    assert leading(state) == b
