from __future__ import annotations

import math

import cv2
import numpy as np

from streamseg.evaluation.temporal import Consistency

RANDOM = np.random.default_rng(0)
SMALL = RANDOM.integers(0, 256, (24, 32, 3), np.uint8)
PICTURE = np.asarray(cv2.resize(SMALL, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)
LABELS = (PICTURE[..., 1] > 128).astype(np.uint8)


def shifted(plane: np.ndarray, by: int) -> np.ndarray:
    return np.roll(plane, by, axis=1)


def test_labels_that_move_with_the_picture_are_steady() -> None:
    steady, stuck = Consistency(2), Consistency(2)
    for step in range(4):
        image = shifted(PICTURE, 5 * step)
        steady.add(image, shifted(LABELS, 5 * step))
        stuck.add(image, LABELS)
    assert steady.mean() > 0.93
    assert stuck.mean() < steady.mean() - 0.1


def test_labels_that_flicker_are_not() -> None:
    flicker = Consistency(2)
    for step in range(4):
        flicker.add(PICTURE, (LABELS + step) % 2)
    assert flicker.mean() < 0.2


def test_one_frame_says_nothing() -> None:
    lone = Consistency(2)
    lone.add(PICTURE, LABELS)
    assert math.isnan(lone.mean())
