from __future__ import annotations

import math

import cv2
import numpy as np

from streamseg.evaluation.temporal import Consistency, LastingTruth, Video

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


def lasting(true: list[np.ndarray], found: list[np.ndarray], frames: int = 3) -> float:
    """What the paper's formula gives, read out word by word."""
    values = []
    for start in range(len(true) - frames + 1):
        window, answers = true[start : start + frames], found[start : start + frames]
        same = np.all([frame == window[0] for frame in window], axis=0) & (window[0] != 255)
        right = same & np.all([a == b for a, b in zip(window, answers, strict=True)], axis=0)
        if same.any():
            values.append(right.sum() / same.sum())
    return float(np.mean(values))


def test_lasting_truth_is_the_papers() -> None:
    true = [RANDOM.choice([0, 1, 255], (9, 9), p=[0.2, 0.7, 0.1]).astype(np.uint8) for _ in range(8)]
    found = [np.where(RANDOM.random((9, 9)) < 0.8, frame, 0).astype(np.uint8) for frame in true]
    measured = LastingTruth(3)
    for one, other in zip(true, found, strict=True):
        measured.add(one, other)
    assert math.isclose(measured.mean(), lasting(true, found))
    assert 0.2 < measured.mean() < 0.9


def test_what_is_steady_and_wrong_is_worth_nothing() -> None:
    video = Video(2)
    for _ in range(16):
        video.add(PICTURE, LABELS, 1 - LABELS)
    assert video.figures() == {"temporal_consistency": 1.0, "mvc_8": 0.0, "mvc_16": 0.0}


def test_too_few_frames_or_no_labels_give_no_lasting_truth() -> None:
    short, objects = Video(2), Video(2)
    for _ in range(9):
        short.add(PICTURE, LABELS, LABELS)
        objects.add(PICTURE, LABELS, None)
    assert set(short.figures()) == {"temporal_consistency", "mvc_8"}
    assert set(objects.figures()) == {"temporal_consistency"}


def test_labels_at_another_size_are_brought_to_that_of_the_truth() -> None:
    video = Video(2)
    small = np.ascontiguousarray(LABELS[::2, ::2])
    for _ in range(8):
        video.add(PICTURE, small, np.repeat(np.repeat(small, 2, 0), 2, 1))
    assert video.figures()["mvc_8"] == 1.0
