"""Masks of every frame, with the flicker taken out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.motion import make_propagator
from streamseg.segmentation import Classes, Segmentation
from tests.motion.clips import CLASSES, SCENE, frame, miou, segmentation

TWO = Classes(("background", "thing"), np.zeros((2, 3), np.uint8), background=0)


def flickering(index: int) -> NDArray[np.uint8]:
    """True labels, with 40 wrong spots that are elsewhere in each frame."""
    dice, labels = np.random.default_rng(index), SCENE.labels(index)
    for _ in range(40):
        y, x = dice.integers(0, 236), dice.integers(0, 316)
        labels[y : y + 3, x : x + 3] = dice.integers(0, 4)
    return labels


def test_flicker_goes() -> None:
    propagator, before, after = make_propagator(), [], []
    for index in range(12):
        propagator.observe(frame(index))
        steady = propagator.carry(segmentation(index, flickering(index))).labels
        if index:
            before.append((flickering(index) != SCENE.labels(index)).mean())
            after.append((steady != SCENE.labels(index)).mean())
    assert np.mean(after) < 0.6 * np.mean(before)


def test_what_moves_leaves_nothing_behind_and_does_not_lag() -> None:
    propagator, scores = make_propagator(), []
    for index in range(12):
        propagator.observe(frame(index))
        scores.append(miou(index, propagator.carry(segmentation(index)).labels))
    assert min(scores) > 0.97


def test_what_appears_at_once_is_shown_at_once() -> None:
    propagator = make_propagator()
    for index in range(4):
        image, labels = SCENE.image(0), np.zeros((240, 320), np.uint8)
        if index == 3:
            image[100:140, 100:140] = (0, 0, 255)
            labels[100:140, 100:140] = 1
        propagator.observe(frame(index, image))
        steady = propagator.carry(segmentation(index, labels))
    assert (steady.labels[102:138, 102:138] == 1).all()


def test_the_same_mask_is_steadied_once() -> None:
    propagator = make_propagator()
    propagator.observe(frame(0))
    propagator.carry(segmentation(0))
    found = segmentation(1, flickering(1))
    propagator.observe(frame(1))
    assert np.array_equal(propagator.carry(found).labels, propagator.carry(found).labels)


def test_without_steadying_each_frame_keeps_its_own() -> None:
    propagator = make_propagator(steady=False)
    for index in range(3):
        propagator.observe(frame(index))
        found = segmentation(index, flickering(index))
        assert propagator.carry(found) is found


def soft(index: int, shake: int) -> Segmentation:
    """One class against the rest, sure of it but for what `shake` takes off everywhere."""
    labels = (SCENE.labels(index) > 0).astype(np.uint8)
    return Segmentation(labels, TWO, index, index / 30, np.full(labels.shape, 255 - shake, np.uint8))


def test_of_two_classes_the_probability_is_steadied() -> None:
    propagator = make_propagator()
    for index in range(8):
        propagator.observe(frame(index))
        steady = propagator.carry(soft(index, 60 * (index % 2)))
    assert steady.confidence is not None
    inner = steady.confidence[np.isin(SCENE.labels(7), 0)]
    assert 195 < np.median(inner) < 250  # between the 195 of this frame and the 255 of the one before
    assert ((steady.labels > 0) == (SCENE.labels(7) > 0)).mean() > 0.985


def test_steadying_starts_anew_after_a_cut() -> None:
    propagator = make_propagator()
    propagator.observe(frame(0))
    propagator.carry(segmentation(0))
    propagator.observe(frame(1, np.full((240, 320, 3), 128, np.uint8)))
    found = segmentation(1, np.full((240, 320), 2, np.uint8))
    assert (propagator.carry(found).labels == 2).all()
    assert CLASSES.background == 0


def of_another_model(index: int) -> Segmentation:
    """The same number means something else in it."""
    labels = (SCENE.labels(index) > 0).astype(np.uint8)
    return Segmentation(labels, TWO, index, index / 25)


def test_masks_of_a_model_that_was_changed_are_not_steadied_by_those_before() -> None:
    propagator = make_propagator()
    propagator.observe(frame(0))
    propagator.carry(segmentation(0, np.full((240, 320), 3, np.uint8)))
    propagator.observe(frame(1))
    found = of_another_model(1)
    assert propagator.carry(found) is found


def test_between_masks_of_two_models_each_frame_has_one_of_the_nearer() -> None:
    propagator = make_propagator()
    frames = [frame(index) for index in range(5)]
    for each in frames:
        propagator.observe(each)
    before = segmentation(0, np.full((240, 320), 3, np.uint8))
    masks = list(propagator.between(frames[1:], before, of_another_model(4)))
    assert [mask.classes.names for mask in masks] == [CLASSES.names, CLASSES.names, TWO.names, TWO.names]
    assert all(mask.labels.max() < len(mask.classes) for mask in masks)
