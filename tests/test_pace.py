from __future__ import annotations

import pytest

from streamseg.frame import StreamInfo
from streamseg.pace import Pace, Target
from tests.parts.fakes import frame

LIVE = StreamInfo("camera", 640, 480, 30.0, live=True)
FILE = StreamInfo("clip", 640, 480, 25.0, live=False, frames=100)


def at(seconds: float, index: int = 0):  # type: ignore[no-untyped-def]
    import dataclasses

    return dataclasses.replace(frame(index), arrived_s=seconds)


def fed(target: Target, took_s: float, gap_s: float = 1 / 30, results: int = 20) -> Pace:
    pace = Pace(target, LIVE)
    for index in range(results):
        pace.arrived(at(index * gap_s, index))
        pace.took(took_s, index * gap_s)
    return pace


def test_a_network_that_keeps_up_is_waited_for_less_than_a_frame() -> None:
    pace = fed("fps", 0.015)
    assert pace.keeps_up
    assert 0.015 < pace.patience_s <= 1 / 30
    assert pace.explain() == "network 15 ms, source 30 fps: every frame waits for its own mask"


def test_a_network_that_does_not_keep_up_is_not_waited_for() -> None:
    pace = fed("fps", 0.130)
    assert pace.patience_s == 0
    assert pace.explain() == "network 130 ms, source 30 fps: a mask from every 4. frame, carried by motion between"


def test_before_the_first_mask_nothing_is_known_and_nothing_waited_for() -> None:
    assert Pace("fps", LIVE).patience_s == 0


def test_the_rate_that_counts_is_the_one_that_arrives() -> None:
    assert not fed("fps", 0.015, gap_s=1 / 60).keeps_up


def test_a_very_slow_network_gets_smaller_pictures_step_by_step() -> None:
    pace = fed("fps", 0.5)
    assert pace.scale == 0.75
    for _ in range(15):
        pace.took(0.4, 0.0)
    assert pace.scale == 0.5
    for _ in range(40):
        pace.took(0.35, 0.0)
    assert pace.scale == 0.5
    assert "at 50% of its size" in pace.explain()


def test_quality_and_power() -> None:
    quality, power = fed("quality", 0.1), fed("power", 0.1)
    assert not quality.carries
    assert power.carries
    assert not power.due(20 / 30)
    assert power.due(20 / 30 + 0.3)


@pytest.mark.parametrize(("target", "every"), [("fps", 10), ("latency", 10), ("power", 17), ("quality", 1)])
def test_in_a_file_the_gap_is_fixed_in_seconds(target: Target, every: int) -> None:
    pace = Pace(target, FILE)
    assert pace.every == every
    assert str(every) in pace.explain() or every == 1
