from __future__ import annotations

import math

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.evaluation.interval import class_intervals, draw, group_of, mean_interval, tally
from streamseg.evaluation.scores import confusion, near_counts, near_f1, scores

RANDOM = np.random.default_rng(5)
TRUE = RANDOM.integers(0, 3, (12, 20, 30), dtype=np.uint8)
FOUND = np.where(RANDOM.random(TRUE.shape) < RANDOM.random((12, 1, 1)), TRUE, 0).astype(np.uint8)
NAMES = [f"{index}.png" for index in range(12)]


def tallies(which: list[int]) -> list[np.ndarray]:
    return [tally(confusion(TRUE[i], FOUND[i], 3), near_counts(TRUE[i], FOUND[i], 3)) for i in which]


def test_an_interval_is_that_of_drawing_the_pictures_by_hand() -> None:
    draws = draw(NAMES)
    miou, iou, near = class_intervals(tallies(list(range(12))), draws)
    by_hand = []
    for counts in draws[:200]:
        which = np.repeat(np.arange(12), counts)
        by_hand.append(scores(np.sum([confusion(TRUE[i], FOUND[i], 3) for i in which], axis=0)).miou)
    low, high = np.percentile(by_hand, (2.5, 97.5))
    assert miou == pytest.approx((low, high), abs=0.02)
    whole = scores(np.sum([confusion(TRUE[i], FOUND[i], 3) for i in range(12)], axis=0))
    assert miou[0] < whole.miou < miou[1] and miou[1] - miou[0] > 0.02
    assert all(ends[0] < value < ends[1] for ends, value in zip(iou, whole.iou, strict=True))
    f1 = near_f1(np.sum([near_counts(TRUE[i], FOUND[i], 3) for i in range(12)], axis=0))
    assert all(ends[0] < value < ends[1] for ends, value in zip(near, f1, strict=True))


def test_pictures_that_are_all_alike_leave_no_doubt() -> None:
    miou, _, _ = class_intervals(tallies([4] * 6), draw(NAMES[:6]))
    assert miou[0] == miou[1]


def test_neighbours_are_drawn_together_and_the_interval_is_wider() -> None:
    drives = ["a", "a", "a", "a", "b", "b", "b", "b", "c", "c", "c", "c"]
    draws = draw(drives)
    assert (draws[:, 0] == draws[:, 3]).all() and (draws.sum(1) == 12).all()
    values = [0.2] * 4 + [0.5] * 4 + [0.8] * 4
    low, high = mean_interval(values, draws)
    alone = mean_interval(values, draw(NAMES))
    assert high - low > alone[1] - alone[0]


def test_a_class_that_is_nowhere_has_no_interval() -> None:
    nothing = np.zeros((4, 7), np.int64)
    nothing[0] = 1
    _, iou, near = class_intervals([nothing, nothing], draw(["a", "b"]))
    assert iou[0] == (1.0, 1.0)
    assert all(math.isnan(end) for end in (*iou[3], *near[3]))


def test_values_that_are_no_number_are_left_out() -> None:
    assert mean_interval([float("nan"), 0.5, 0.5], draw(["a", "b", "c"])) == (0.5, 0.5)
    assert math.isnan(mean_interval([float("nan")], draw(["a"]))[0])


def test_groups_come_from_the_name() -> None:
    assert group_of("0001TP_0006.png", None) == "0001TP_0006.png"
    assert group_of("0001TP_0006.png", "^[^_]+") == "0001TP"
    assert group_of("drive 12, 4.png", r"drive (\d+)") == "12"
    with pytest.raises(InputError, match="matches no part of a.png"):
        group_of("a.png", "^b")
    with pytest.raises(InputError, match=r"--groups \(:"):
        group_of("a.png", "(")


@pytest.mark.parametrize("named", ["^(b)?", "x"])
def test_a_picture_of_no_group_is_one_line(named: str) -> None:
    with pytest.raises(InputError, match="matches no part of a.png"):
        group_of("a.png", named)
