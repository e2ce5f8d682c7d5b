from __future__ import annotations

import statistics
import threading
from collections.abc import Sequence

import pytest

from streamseg.frame import StreamInfo
from streamseg.pipeline import scheduler
from streamseg.pipeline.scheduler import InferenceScheduler, Target
from tests.parts.fakes import frame

LIVE = StreamInfo("camera", 640, 480, 30.0, live=True)
FILE = StreamInfo("clip", 640, 480, 25.0, live=False, frames=100)


def at(seconds: float, index: int = 0):  # type: ignore[no-untyped-def]
    import dataclasses

    return dataclasses.replace(frame(index), arrived_s=seconds)


def fed(target: Target, took_s: float, gap_s: float = 1 / 30, results: int = 20) -> InferenceScheduler:
    pace = InferenceScheduler(target, LIVE)
    for index in range(results):
        pace.arrived(at(index * gap_s, index))
        pace.took(took_s, index * gap_s)
    return pace


def test_a_network_that_keeps_up_is_waited_for_less_than_a_frame() -> None:
    pace = fed("fps", 0.015)
    assert pace.keeps_up
    assert 0.015 < pace.patience_s <= 1 / 30
    assert str(pace.explain()) == "network 15 ms, source 30 fps: every frame waits for its own mask"


def test_a_network_that_does_not_keep_up_is_not_waited_for() -> None:
    pace = fed("fps", 0.130)
    assert pace.patience_s == 0
    assert str(pace.explain()) == "network 130 ms, source 30 fps: a mask for one frame in 4, carried by motion between"


def test_before_the_first_mask_nothing_is_known_and_nothing_waited_for() -> None:
    assert InferenceScheduler("fps", LIVE).patience_s == 0


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
    assert "at 50% of its size" in str(pace.explain())


def test_quality_and_power() -> None:
    quality, power = fed("quality", 0.1), fed("power", 0.1)
    assert not quality.carries
    assert power.carries
    assert not power.due(20 / 30)
    assert power.due(20 / 30 + 0.3)


@pytest.mark.parametrize(("target", "every"), [("fps", 10), ("latency", 10), ("power", 17), ("quality", 1)])
def test_in_a_file_the_gap_is_fixed_in_seconds(target: Target, every: int) -> None:
    pace = InferenceScheduler(target, FILE)
    assert pace.every == every
    assert str(every) in str(pace.explain()) or every == 1


def test_an_explanation_is_another_where_the_decision_is_and_not_where_its_figures_are() -> None:
    one, other = fed("fps", 0.130).explain(), fed("fps", 0.170).explain()
    assert one.decision != other.decision
    assert one.kind == other.kind
    kinds = {fed(target, took_s).explain().kind for target, took_s in SEVERAL}
    assert len(kinds) == len(SEVERAL)


def test_a_network_that_is_changed_while_a_frame_is_measured_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = fed("fps", 0.02)

    def median(values: Sequence[float]) -> float:
        changing = threading.Thread(target=pace.another_network)
        changing.start()
        changing.join(0.1)  # as long as it may take where it does not wait
        return statistics.median(values)

    monkeypatch.setattr(scheduler, "median", median)
    pace.took(0.02, 1.0)


SEVERAL: list[tuple[Target, float]] = [
    ("fps", 0.015), ("fps", 0.130), ("fps", 0.5), ("latency", 0.015), ("power", 0.1), ("quality", 0.1)
]  # fmt: skip
