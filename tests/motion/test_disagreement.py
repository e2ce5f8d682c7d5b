"""How far what was found differs from what motion brought."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.motion import make_propagator
from tests.motion.clips import SCENE, frame, segmentation


@pytest.mark.parametrize("between", [False, True])
def test_disagreement_is_where_the_network_changed_its_mind(between: bool) -> None:
    propagator = make_propagator(steady=False, compare=True)

    def look(index: int, labels: NDArray[np.uint8]) -> float | None:
        propagator.observe(frame(index))
        mask = segmentation(index, labels)
        if not between:
            return propagator.carry(mask).disagreement
        before = segmentation(index - 1, SCENE.labels(index - 1)) if index else None
        return list(propagator.between([frame(index)], before, mask))[-1].disagreement

    assert look(0, SCENE.labels(0)) is None
    same = look(1, SCENE.labels(1))
    changed = SCENE.labels(2)
    changed[20:68, 20:100] = 3 - changed[20:68, 20:100]
    other = look(2, changed)
    assert same is not None
    assert same < 0.002
    assert other == pytest.approx(48 * 80 / (240 * 320), rel=0.2)


def test_nobody_asked_and_a_cut_say_nothing_of_disagreement() -> None:
    quiet, asked = make_propagator(), make_propagator(compare=True)
    cut = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    for propagator in (quiet, asked):
        for index, image in enumerate((SCENE.image(0), cut)):
            propagator.observe(frame(index, image))
            found = propagator.carry(segmentation(index))
        assert found.disagreement is None


def test_a_mask_is_steadied_the_same_however_often_it_is_carried_while_disagreement_is_asked_for() -> None:
    propagator = make_propagator(compare=True)
    for index in range(2):
        flickering = SCENE.labels(index)
        flickering[:8, index * 40 : index * 40 + 40] = 2
        propagator.observe(frame(index))
        mask = segmentation(index, flickering)
        first, again = propagator.carry(mask), propagator.carry(mask)
        assert first is again
    assert not np.array_equal(first.labels, flickering)
