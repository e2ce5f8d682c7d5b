from __future__ import annotations

import pytest

from streamseg.options import Effort
from streamseg.pipeline.effort import EffortChoice
from tests.parts.fakes import Shifter

GAP_S = 1 / 30
COSTS: dict[Effort | None, float] = {None: 0.0, "quick": 0.65, "usual": 1.0, "fine": 2.7}


def run(
    choice: EffortChoice, usual_s: float, frames: int = 60, others_s: float = 0.005, gap_s: float = GAP_S
) -> Effort | None:
    """What it is after so many frames."""
    for _ in range(frames):
        choice.took(usual_s * COSTS[choice.now], others_s, gap_s)
    return choice.now


def test_where_there_is_time_it_becomes_fine() -> None:
    choice = EffortChoice()
    assert run(choice, 0.0026, 0) == "usual"
    assert run(choice, 0.0026) == "fine"


@pytest.mark.parametrize(
    ("usual_s", "others_s", "gap_s", "then"),
    [
        (0.0026, 0.005, 1 / 60, "usual"),  # twice the rate
        (0.006, 0.005, GAP_S, "usual"),  # a slower machine
        (0.013, 0.005, GAP_S, "quick"),  # a far slower one
        (0.0026, 0.026, GAP_S, "usual"),  # slow outputs
        (0.0026, 0.029, GAP_S, None),  # no time at all: steadying must not cost frames
    ],
)
def test_less_time_means_less_effort(usual_s: float, others_s: float, gap_s: float, then: Effort | None) -> None:
    choice = EffortChoice()
    assert run(choice, usual_s, others_s=others_s, gap_s=gap_s) == then


def test_it_falls_at_once_and_rises_again_after_a_while() -> None:
    choice = EffortChoice()
    run(choice, 0.0026)
    assert run(choice, 0.009, 10) == "usual"
    assert run(choice, 0.0026, 60) == "usual"
    assert run(choice, 0.0026, 120) == "fine"


def test_near_the_limit_it_does_not_go_to_and_fro() -> None:
    choice, seen = EffortChoice(), []
    for index in range(300):
        cost_s = 0.0037 if index % 2 else 0.0027  # fine takes 30 % of the time between two frames, more or less
        seen.append(run(choice, cost_s, 1))
    assert sum(one != other for one, other in zip(seen, seen[1:], strict=False)) <= 2


def test_steadying_is_tried_again_after_it_was_left_out() -> None:
    choice = EffortChoice()
    assert run(choice, 0.0026, others_s=0.040) is None
    assert run(choice, 0.0026, 600) == "fine"


def test_what_is_asked_for_stays() -> None:
    choice = EffortChoice("fine")
    assert run(choice, 0.1) == "fine"


def test_to_save_power_no_more_than_usual_is_spent() -> None:
    choice = EffortChoice(most="usual")
    assert run(choice, 0.001) == "usual"


def test_it_is_said_once_something_carries() -> None:
    choice, propagator = EffortChoice("quick"), Shifter()
    assert str(choice) == ""
    choice.apply(propagator)
    assert str(choice) == "effort quick"
    assert propagator.effort == "quick"
