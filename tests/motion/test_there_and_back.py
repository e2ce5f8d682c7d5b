"""What the way back says of a mask that was carried."""

from __future__ import annotations

import numpy as np

from streamseg.motion import make_propagator
from tests.motion.clips import SCENE, frame, panned, segmentation


def test_wrong_labels_are_doubted_many_times_as_often_as_right_ones() -> None:
    doubted: dict[str, list[float]] = {"wrong, usual": [], "wrong": [], "right": []}
    usual, fine = (make_propagator(steady=False, effort=effort) for effort in ("usual", "fine"))
    for index in range(20):
        for propagator in (usual, fine):
            propagator.observe(frame(index))
        if index >= 6:
            late, truth = segmentation(index - 6), SCENE.labels(index)
            for name, found in {"wrong, usual": usual.carry(late), "wrong": fine.carry(late)}.items():
                assert found.confidence is not None
                unsure = found.confidence < 250
                doubted[name].append(float(unsure[found.labels != truth].mean()))
            doubted["right"].append(float(unsure[found.labels == truth].mean()))
    assert np.mean(doubted["wrong"]) > 0.5
    assert np.mean(doubted["wrong"]) > 5 * np.mean(doubted["right"])
    assert np.mean(doubted["wrong"]) > np.mean(doubted["wrong, usual"]) + 0.1


def test_a_mask_on_a_picture_that_only_pans_is_hardly_doubted() -> None:
    propagator = make_propagator(steady=False, effort="fine")
    labels = np.zeros((240, 320), np.uint8)
    labels[80:160, 120:200] = 1
    for index in range(3):
        propagator.observe(frame(index, panned(index)))
        carried = propagator.carry(segmentation(0, labels))
    assert carried.confidence is not None
    assert (carried.confidence[20:-20, 40:-40] < 250).mean() < 0.01
