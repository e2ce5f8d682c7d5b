from __future__ import annotations

import pytest

from streamseg.pipeline.trial import Trial

AHEAD = 30  # frames that are read before they are shown


def run(trial: Trial, network_s: float, carried_s: float, own_s: float, frames: int = 300) -> list[int]:
    """How often the network looked, frame by frame, were frames shown as quickly as this."""
    seen, asked, next_asked, now_s = [], [], 0, 10.0  # seconds that loading took
    for index in range(frames):
        seen.append(trial.every)
        asked.append(index >= next_asked)
        if asked[-1]:
            next_asked = index + trial.every
            trial.looked(network_s * (3 if index == 0 else 1))
        if index >= AHEAD:
            own = asked[index - AHEAD]
            now_s += own_s if own and asked[index - AHEAD - 1] else carried_s
            trial.shown(now_s, own=own)
    return seen


def test_a_quick_network_looks_at_every_frame() -> None:
    seen = run(Trial(10, 2), 0.003, 0.005, 0.003)
    assert seen[0] == 10
    assert set(seen[70:]) == {1}


def test_a_slow_network_is_not_even_tried() -> None:
    assert set(run(Trial(10, 2), 0.030, 0.005, 0.003)) == {10}


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_one_that_is_quick_only_by_itself_is_tried_and_left(workers: int) -> None:
    trial = Trial(10, workers)
    seen = run(trial, 0.003, 0.005, 0.007)  # steadying beside it takes longer than carrying
    assert 1 in seen
    assert set(seen[200:]) == {10}


def test_where_both_are_alike_masks_are_their_own() -> None:
    assert run(Trial(10, 1), 0.005, 0.005, 0.005)[-1] == 1


def test_fixed_it_measures_nothing() -> None:
    assert set(run(Trial(10, 2, fixed=True), 0.001, 0.005, 0.001)) == {10}
