"""Counts on scenes whose truth is known, with masks that are carried to most frames."""

from __future__ import annotations

import functools

import pytest

from streamseg.rules.evaluate import Rules
from streamseg.rules.event import Findings
from streamseg.rules.grammar import Rule
from streamseg.rules.shapes import Line, Polygon
from tests.rules.scenes import as_file, as_live, crossings, scene, stays

DIRECTIONS = ("westwards", "eastwards")
KINDS = ("disc", "box", "triangle")
FRAMES = 290


@functools.cache
def found(every: int, live: bool, lanes: int = 3, seed: int = 0) -> list[Findings]:
    """What rules for all that crosses and dwells find in each frame."""
    source = scene(lanes, FRAMES, seed)
    crosses = {f"{kind}-{way}": Rule(f"{kind}.crosses gate {way}") for kind in KINDS for way in DIRECTIONS}
    dwells = {kind: Rule(f"{kind}.dwell in middle > 0.5 s") for kind in KINDS}
    rules = Rules(
        zones={"middle": Polygon([[0.3, 0], [0.7, 0], [0.7, 1], [0.3, 1]])},
        lines={"gate": Line([[0.45, 0], [0.45, 1]])},
        rules={**crosses, **dwells},
    )
    if live:
        return [each for _, each in as_live(source, rules, every)]
    return [Findings(one.events, one.readings) for one in as_file(source, rules, every)]


@pytest.mark.parametrize(
    "every", [pytest.param(1, marks=pytest.mark.slow), 5, pytest.param(10, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("live", [False, True])
def test_crossings_are_exact_in_each_direction(every: int, live: bool) -> None:
    check_crossings(found(every, live), crossings(scene(3, FRAMES), 0.45))


@pytest.mark.parametrize("live", [False, True])
def test_crossings_of_several_things_of_a_class_are_exact(live: bool) -> None:
    check_crossings(found(10, live, 6, 1), crossings(scene(6, FRAMES, 1), 0.45))


def check_crossings(frames: list[Findings], true: dict[str, dict[str, int]]) -> None:
    assert sum(sum(each.values()) for each in true.values()) > 5
    counted = {each.class_name: each.crossings for each in frames[-1].readings if each.zone == "gate"}
    assert counted == true
    crossed = {rule: 0 for rule in (f"{kind}-{way}" for kind in KINDS for way in DIRECTIONS)}
    for event in (event for one in frames for event in one.events if event.kind == "start"):
        if event.rule in crossed:
            crossed[event.rule] += round(event.value)  # two that cross in one frame are one event
    assert crossed == {f"{kind}-{way}": true[kind][way] for kind in KINDS for way in DIRECTIONS}


@pytest.mark.parametrize(
    "every", [pytest.param(1, marks=pytest.mark.slow), 5, pytest.param(10, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("live", [False, True])
def test_stays_in_a_zone_are_exact_in_number_and_right_by_three_frames_in_length(every: int, live: bool) -> None:
    events = [event for one in found(every, live) for event in one.events if event.rule in KINDS]
    true = [stay for stay in stays(scene(3, FRAMES), 0.3, 0.7) if stay[2] - stay[1] > 18]
    begun = sorted((event.rule, event.at_s * 30) for event in events if event.kind == "start")
    ended = sorted((event.rule, event.at_s * 30) for event in events if event.kind == "end")
    assert len(true) >= 6
    assert [kind for kind, _ in begun] == [kind for kind, *_ in true]
    for (_, at), (_, first, _) in zip(begun, true, strict=True):
        assert abs(at - (first + 16)) <= 3
    left = [(kind, last) for kind, _, last in true if last < FRAMES]
    assert [kind for kind, _ in ended] == [kind for kind, _ in left]
    for (_, at), (_, last) in zip(ended, left, strict=True):
        assert -3 <= at - last <= 9  # it is in with half of it, and out with less than two fifths
