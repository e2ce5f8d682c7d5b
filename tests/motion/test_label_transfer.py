"""Votes are asked for at borders only, and that changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.motion import label_transfer as matching
from streamseg.motion.flow import Search, look_at
from streamseg.motion.label_transfer import Reference, match
from tests.motion.clips import SCENE, frame

Plane = NDArray[np.uint8]


def matched(confidence: int | None, n_sides: int) -> tuple[Plane, Plane]:
    """What frame 3 gets from those before and after it."""
    looks = [look_at(frame(index)) for index in range(7)]
    search, sides = Search(128 * 96), []
    for index in (1, 6)[:n_sides]:
        way = search(looks[3], looks[index])
        assert way is not None
        labels = SCENE.labels(index) if confidence is None else (SCENE.labels(index) > 0).astype(np.uint8)
        sure = None if confidence is None else np.full(labels.shape, confidence, np.uint8)
        sides.append(Reference(looks[index], way, labels, sure))
    return match(looks[3], sides, 1.5)


@pytest.mark.parametrize("n_sides", [1, 2])
@pytest.mark.parametrize("confidence", [None, 200])
def test_votes_at_borders_are_as_good_as_votes_everywhere(
    confidence: int | None, n_sides: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_borders, asked, shares = matched(confidence, n_sides), matching._asked, list[float]()

    def everywhere(*args: object) -> NDArray[np.bool_]:
        usual = asked(*args)  # type: ignore[arg-type]
        shares.append(float(usual.mean()))
        return np.ones_like(usual)

    monkeypatch.setattr(matching, "_asked", everywhere)
    monkeypatch.setattr(matching, "BALLOTS", 1 << 30)
    labels, confidences = matched(confidence, n_sides)
    assert np.array_equal(at_borders[0], labels)
    assert np.abs(at_borders[1].astype(int) - confidences).max() <= 1
    assert 0 < shares[0] < 0.2


def test_a_mask_of_the_frame_itself_is_asked_where_the_last_one_differs() -> None:
    look = look_at(frame(0))
    own, last = SCENE.labels(0), SCENE.labels(0)
    last[:20, :20] = 3
    sides = [Reference(look, None, own, None), Reference(look, np.zeros((96, 128, 2), np.float32), last, None)]
    labels, _ = match(look, sides, 1.5)
    assert np.array_equal(labels[24:, 24:], own[24:, 24:])


def test_a_mask_of_borders_alone_is_asked_by_the_nearest_only() -> None:
    look, random = look_at(frame(0)), np.random.default_rng(0)
    labels = random.integers(0, 4, (480, 640), np.uint8)
    still = np.zeros((96, 128, 2), np.float32)
    carried, _ = match(look, [Reference(look, still, labels, None)], 3.0)
    few, _ = match(look, [Reference(look, still, labels, None)], 1.0)
    assert np.array_equal(carried, few)
