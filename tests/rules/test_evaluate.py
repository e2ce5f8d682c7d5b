from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.rules.evaluate import Rules
from streamseg.rules.event import Event, Findings
from streamseg.rules.grammar import Rule
from streamseg.rules.shapes import Ground, Line, Polygon
from streamseg.segmentation import Classes, Instances, Segmentation

CLASSES = Classes(("ground", "car", "person"), np.zeros((3, 3), np.uint8), background=0)
LEFT = Polygon("0,0 0.5,0 0.5,1 0,1")


def seen(index: int, *boxes: tuple[int, int, int, int, int], fps: float = 10.0) -> tuple[Frame, Segmentation]:
    """A frame of 200x100 with a rectangle of each class: class id, left, top, width, height."""
    labels = np.zeros((100, 200), np.uint8)
    for class_id, left, top, width, height in boxes:
        labels[top : top + height, left : left + width] = class_id
    frame = Frame(np.zeros((100, 200, 3), np.uint8), index, index / fps, 0.0, "yard")
    return frame, Segmentation(labels, CLASSES, index, index / fps)


def walk(rules: Rules, steps: int, *, step_px: int = 4) -> list[Findings]:
    """A car that drives from left to right."""
    return [rules(*seen(index, (1, index * step_px, 40, 20, 10))) for index in range(steps)]


def told(found: list[Findings]) -> list[Event]:
    return [event for each in found for event in each.events]


def test_an_event_is_told_at_its_start_once_a_second_and_at_its_end() -> None:
    rules = Rules(zones={"left": LEFT}, rules={"car-left": Rule("cars.area in left > 1 % for 0.5 s")})
    events = told(walk(rules, 40))
    assert [(event.kind, event.at_s) for event in events] == [
        ("start", 0.5), ("update", 1.5), ("end", 2.3),  # half of the car is beyond the zone
    ]  # fmt: skip
    assert len({event.id for event in events}) == 1
    assert {(event.rule, event.stream, event.zone, event.classes, event.unit, event.began_s) for event in events} == {
        ("car-left", "yard", "left", ("car",), "%", 0.0)
    }
    assert events[0].value == events[0].peak == pytest.approx(2.0)
    assert events[-1].value < 1 < events[-1].peak
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each) for each in (events[0].at, events[0].began)
    )


def test_an_end_says_why_and_nothing_before_it_does() -> None:
    events = told(walk(Rules(zones={"left": LEFT}, rules={"a": Rule("car.area in left > 1 %")}), 40))
    assert [event.ended_by for event in events] == ["", "", "", "rule"]


def test_events_say_how_sure_the_mean_pixel_of_a_class_in_the_zone_is() -> None:
    rules = Rules(zones={"left": LEFT}, rules={"both": Rule("car.area in left > 1 % or person.area in left > 1 %")})
    frame, found = seen(0, (1, 10, 40, 20, 10), (1, 150, 40, 20, 10))
    confidence = np.zeros((100, 200), np.uint8)
    confidence[:, :20], confidence[:, 20:100] = 255, 51
    (event,) = rules(frame, dataclasses.replace(found, confidence=confidence)).events
    assert event.scores == {"car": 0.6}
    (event,) = rules(*seen(1)).events
    assert (event.kind, event.scores) == ("end", {"car": 0.6}), "as sure as when it was there last"


def test_events_say_how_sure_the_surest_object_in_the_zone_is_and_the_one_that_crosses() -> None:
    rules = Rules(
        zones={"left": LEFT}, lines={"gate": Line("0.25,0 0.25,1")},
        rules={"there": Rule("car.count in left >= 1"), "in": Rule("car.crosses gate")},
    )  # fmt: skip

    def at(index: int, x: float) -> tuple[Frame, Segmentation]:
        boxes = np.array([[x, 10, x + 20, 30], [20, 60, 40, 80], [150, 60, 170, 80]], np.float32)
        objects = Instances(
            np.array([1, 1, 1], np.int32), np.array([0.5, 0.75, 0.9], np.float32), boxes,
            np.ones((3, 7, 7), np.float32), np.array([1, 2, 3], np.int32),
        )  # fmt: skip
        frame, found = seen(index)
        return frame, dataclasses.replace(found, instances=objects)

    events = told([rules(*at(index, 30.0 + 4 * index)) for index in range(6)])
    assert [(event.rule, event.kind, dict(event.scores)) for event in events] == [
        ("there", "start", {"car": 0.75}), ("in", "start", {"car": 0.5}), ("in", "end", {"car": 0.5}),
    ]  # fmt: skip


def test_the_next_event_has_another_id() -> None:
    rules = Rules(rules={"any": Rule("person.count >= 1")})
    frames = [seen(i, *([(2, 10, 10, 20, 20)] if i % 2 else [])) for i in range(5)]
    events = told([rules(*each) for each in frames])
    assert [event.kind for event in events] == ["start", "end", "start", "end"]
    assert events[0].id == events[1].id != events[2].id == events[3].id


def test_each_crossing_is_an_event_and_lines_count_on() -> None:
    rules = Rules(lines={"gate": Line("0.5,0 0.5,1")}, rules={"in": Rule("car.crosses gate eastwards")})
    found = walk(rules, 40)
    assert [event.kind for event in told(found)] == ["start", "end"]
    (reading,) = found[-1].readings
    assert (reading.zone, reading.class_name, reading.crossings) == ("gate", "car", {"westwards": 0, "eastwards": 1})


def test_who_passes_beside_the_end_of_a_line_does_not_cross_it() -> None:
    rules = Rules(lines={"gate": Line("0.5,0 0.5,0.3")}, rules={"in": Rule("car.crosses gate")})
    assert not told(walk(rules, 40))


def test_zones_tell_of_each_class_that_was_there_and_of_those_that_rules_name() -> None:
    rules = Rules(zones={"left": LEFT}, rules={"crowd": Rule("person.count in left > 3")})
    first, *_, last = walk(rules, 40)
    assert [(each.zone, each.class_name, each.area_percent, each.count) for each in first.readings] == [
        ("left", "car", 2.0, None),  # nothing asks how many cars there are
        ("left", "person", 0.0, 0),
    ]
    assert [(each.class_name, each.area_percent) for each in last.readings] == [("car", 0.0), ("person", 0.0)]


def test_zones_and_lines_of_active_rules_are_known() -> None:
    rules = Rules(zones={"left": LEFT, "other": LEFT}, rules={"any": Rule("car.count in left >= 1")})
    assert walk(rules, 1)[0].active == {"left"}


def test_each_rule_is_read_in_every_frame() -> None:
    rules = Rules(zones={"left": LEFT}, rules={
        "here": Rule("car.area in left > 1 % for 0.5 s"), "fast": Rule("car.speed > 100 px/s"),
    })  # fmt: skip
    found = walk(rules, 40)
    here = [each.rules[0] for each in found]
    assert [each.rule for each in found[0].rules] == ["here", "fast"]
    assert [bool(each.since) for each in here] == [5 <= number <= 22 for number in range(40)]
    assert {each.since for each in here[5:23]} == {told(found)[0].began}
    assert (here[0].unit, here[30].value) == ("%", 0.0)
    assert here[0].value == pytest.approx(2.0)
    assert (found[20].rules[1].unit, found[20].rules[1].since) == ("px/s", "")
    assert found[20].rules[1].value == pytest.approx(40, abs=1)


def test_speed_is_in_pixels_or_metres() -> None:
    ground = Ground("0,0,0,0 1,0,20,0 1,1,20,10 0,1,0,10")  # 10 pixels a metre
    texts = {"px": "car.speed > 39 px/s", "m": "car.speed > 3.9 m/s", "km": "car.speed > 14 km/h"}
    rules = Rules(ground=ground, rules={name: Rule(text) for name, text in texts.items()})
    started = {event.rule: event for event in told(walk(rules, 15)) if event.kind == "start"}
    assert {name: round(event.value, 3) for name, event in started.items()} == {"px": 40.0, "m": 4.0, "km": 14.4}


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_above_the_horizon_has_no_speed_on_the_ground(order: int) -> None:
    corners = [(0.35, 0.5, 0, 20), (0.65, 0.5, 3.5, 20), (0.95, 0.95, 3.5, 0), (0.05, 0.95, 0, 0)]  # horizon at 0.275
    rules = Rules(ground=Ground(corners[::order]), rules={"fast": Rule("car.speed > 0 m/s")})
    for top, speed in ((85, 40 * 3.5 / 180), (5, 0.0)):
        found = [rules(*seen(index + top, (1, 4 * index, top, 20, 10))) for index in range(12)]
        assert found[-1].rules[0].value == pytest.approx(speed, abs=1e-5)
    sinks = [rules(*seen(index + 200, (1, 90, 5 + index // 2, 10, 10))) for index in range(30)]
    assert not any(each.rules[0].value for each in sinks[:20])


def test_an_object_that_is_hidden_for_a_moment_is_the_same() -> None:
    rules = Rules(zones={"left": LEFT}, rules={"waits": Rule("person.dwell in left > 2 s")})
    frames = [seen(i, *([] if 8 <= i < 12 else [(2, 10, 10, 20, 20)])) for i in range(30)]
    assert [(event.kind, event.at_s) for event in told([rules(*each) for each in frames])] == [("start", 2.1)]


def test_frames_that_are_seconds_apart_are_counted_as_others_are() -> None:
    rules = Rules(
        zones={"all": Polygon("0,0 1,0 1,1 0,1")}, lines={"gate": Line("0.5,0 0.5,1")},
        rules={"stays": Rule("car.dwell in all > 12 s"), "passes": Rule("car.crosses gate")},
    )  # fmt: skip
    events = told([rules(*seen(index, (1, 50 + 8 * index, 40, 20, 10), fps=0.5)) for index in range(12)])
    assert [(each.rule, each.at_s) for each in events if each.kind == "start"] == [("passes", 12.0), ("stays", 14.0)]


def test_another_size_of_frames_begins_again() -> None:
    rules = Rules(zones={"left": LEFT}, rules={"any": Rule("car.area in left > 1 %")})
    walk(rules, 3)
    labels = np.ones((50, 50), np.uint8)
    found = rules(Frame(np.zeros((300, 300, 3), np.uint8), 3, 0.3, 0.0), Segmentation(labels, CLASSES, 3, 0.3))
    assert found.readings[0].area_percent == 100.0


def test_a_class_that_the_model_lacks_is_told() -> None:
    with pytest.raises(InputError, match="no class 'lorry'"):
        walk(Rules(rules={"any": Rule("lorry.count > 1")}), 1)


@pytest.mark.parametrize("percent", ["0.1", "0.3", "1.1", "33.3"])
def test_a_share_of_exactly_the_limit_reaches_it_and_does_not_pass_it(percent: str) -> None:
    frame, nothing = seen(0)
    labels = np.zeros(nothing.labels.size, np.uint8)
    labels[: round(float(percent) * labels.size / 100)] = 1
    covered = dataclasses.replace(nothing, labels=labels.reshape(nothing.labels.shape))
    rules = {sign: Rule(f"car.area {sign} {percent} %") for sign in (">", ">=", "=", "<=", "<")}
    reached = {name for name, rule in rules.items() if Rules(rules={"a": rule})(frame, covered).events}
    assert reached == {">=", "=", "<="}


@pytest.mark.parametrize("first", range(2, 6))
def test_a_dwell_of_exactly_the_limit_reaches_it(first: int) -> None:
    rules = Rules(zones={"left": LEFT}, rules={"stays": Rule("car.dwell in left >= 0.4 s")})
    found = [rules(*seen(index, *[(1, 40, 40, 20, 10)] * (index >= first))) for index in range(first + 6)]
    assert [index for index, each in enumerate(found) if each.events] == [first + 4]


def test_the_peak_of_a_rule_that_must_last_is_the_most_since_it_began() -> None:
    rules = Rules(rules={"large": Rule("car.area > 1 % for 0.5 s")})
    widths = [0, 180, 0, 20, 100, 20, 20, 20, 20, 20, 0]
    found = [rules(*seen(index, (1, 0, 0, width, 50))) for index, width in enumerate(widths)]
    assert [(each.kind, each.began_s, each.value, each.peak) for each in told(found)] == [
        ("start", 0.3, 5.0, 25.0),  # not the 45 % before it ceased once
        ("end", 0.3, 0.0, 25.0),
    ]


def test_an_event_goes_on_telling_of_what_it_began_with() -> None:
    rules = Rules(rules={"either": Rule("car.area > 10 % or person.count >= 1")})
    car, person = (1, 0, 0, 100, 100), (2, 120, 0, 40, 40)
    found = [rules(*seen(index, *there)) for index, there in enumerate([[car], *[[person]] * 10, []])]
    assert [(each.kind, each.value, each.peak, each.unit) for each in told(found)] == [
        ("start", 50.0, 50.0, "%"), ("update", 0.0, 50.0, "%"), ("end", 0.0, 50.0, "%"),
    ]  # fmt: skip
    assert [(each.value, each.unit) for shown in found[:2] for each in shown.rules] == [(50.0, "%"), (1.0, "")]
