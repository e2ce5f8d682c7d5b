"""Frames between two masks."""

from __future__ import annotations

import numpy as np

from streamseg.motion import Effort, make_propagator
from tests.motion.clips import SCENE, frame, miou, segmentation, texture


def test_between_two_masks_both_count() -> None:
    both, one, frames = (
        make_propagator(effort="fine"),
        make_propagator(effort="fine"),
        [frame(index) for index in range(9)],
    )
    for each in frames:
        both.observe(each)
        one.observe(each)
    filled = list(both.between(frames[1:], segmentation(0), segmentation(8)))
    before = list(one.between(frames[1:-1], segmentation(0), None))
    assert [each.frame_index for each in filled] == [0, 0, 0, 0, 8, 8, 8, 8]
    assert np.array_equal(filled[-1].labels, SCENE.labels(8))
    wrong = [np.mean([1 - miou(i, side[i - 1].labels) for i in range(1, 8)]) for side in (filled, before)]
    assert wrong[0] < 0.7 * wrong[1]
    assert wrong[0] < 0.015


def test_more_time_gives_better_masks_between_two() -> None:
    frames, wrong = [frame(index) for index in range(9)], []
    efforts: tuple[Effort, ...] = ("quick", "fine")
    for effort in efforts:
        propagator = make_propagator(effort=effort)
        for each in frames:
            propagator.observe(each)
        filled = list(propagator.between(frames[1:], segmentation(0), segmentation(8)))
        wrong.append(np.mean([1 - miou(i, filled[i - 1].labels) for i in range(1, 8)]))
    assert wrong[1] < 0.8 * wrong[0]


def test_before_the_first_mask_the_next_one_is_carried_back() -> None:
    propagator, frames = make_propagator(steady=False), [frame(index) for index in range(5)]
    for each in frames:
        propagator.observe(each)
    filled = list(propagator.between(frames, None, segmentation(4)))
    assert len(filled) == 5
    assert miou(0, filled[0].labels) > miou(0, SCENE.labels(4)) + 0.1


def test_a_mask_does_not_cross_a_cut_from_the_other_side() -> None:
    propagator = make_propagator(steady=False)
    frames = [frame(index) for index in range(3)] + [frame(index, texture(5, 320, 240)) for index in range(3, 6)]
    for each in frames:
        propagator.observe(each)
    after = segmentation(5, np.full((240, 320), 3, np.uint8))
    filled = list(propagator.between(frames[1:], segmentation(0), after))
    assert miou(2, filled[1].labels) > 0.9
    assert (filled[2].labels == 3).all()
