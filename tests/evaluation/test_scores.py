"""Scores against scikit-learn's, and against pictures whose score is known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.evaluation import scores as module
from streamseg.evaluation.scores import boundary_f1, confusion, near_counts, near_f1, scores

sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is what the scores are compared with")
N = 5


def random_labels(seed: int, void: float = 0.1) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    dice = np.random.default_rng(seed)
    true = dice.integers(0, N - 1, (60, 80), dtype=np.uint8)  # the last class is nowhere
    found = np.where(dice.random(true.shape) < 0.6, true, dice.integers(0, N - 1, true.shape)).astype(np.uint8)
    true[dice.random(true.shape) < void] = 255
    return true, found


@pytest.mark.parametrize("seed", range(5))
def test_matrix_iou_and_accuracy_are_scikit_learns(seed: int) -> None:
    true, found = random_labels(seed)
    kept = true != 255
    matrix = confusion(true, found, N)
    assert (matrix == sklearn.confusion_matrix(true[kept], found[kept], labels=range(N))).all()
    judged = scores(matrix)
    wanted = sklearn.jaccard_score(true[kept], found[kept], labels=range(N - 1), average=None)
    assert np.allclose(judged.iou[:-1], wanted)
    assert math.isnan(judged.iou[-1])
    assert judged.miou == pytest.approx(wanted.mean())
    assert judged.accuracy == pytest.approx(sklearn.accuracy_score(true[kept], found[kept]))


def test_matrices_of_many_pictures_add_up() -> None:
    pairs = [random_labels(seed) for seed in range(4)]
    total = np.sum([confusion(true, found, N) for true, found in pairs], axis=0)
    at_once = confusion(np.concatenate([t for t, _ in pairs]), np.concatenate([f for _, f in pairs]), N)
    assert (total == at_once).all()


def test_a_found_id_that_is_no_class_is_wrong_for_the_true_one() -> None:
    true, found = np.zeros((2, 2), np.uint8), np.array([[0, 0], [0, 255]], np.uint8)
    matrix = confusion(true, found, 2)
    assert matrix.sum() == 3
    judged = scores(matrix, np.array([4, 0]))
    assert (judged.accuracy, judged.iou[0], judged.miou) == (0.75, 0.75, 0.75)


def square(left: int) -> NDArray[np.uint8]:
    labels = np.zeros((100, 100), np.uint8)
    cv2.rectangle(labels, (left, 30), (left + 40, 70), 1, -1)
    return labels


def test_borders_within_the_tolerance_are_right_and_others_not() -> None:
    assert boundary_f1(square(30), square(30), 2) == 1.0
    assert boundary_f1(square(30), square(32), 2) == 1.0
    assert boundary_f1(square(30), square(40), 2) < 0.75
    assert boundary_f1(square(30), np.zeros((100, 100), np.uint8), 2) == 0.0
    assert math.isnan(boundary_f1(np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8), 1))


def test_void_pixels_have_no_border() -> None:
    true = square(30)
    true[:, :50] = 255
    assert boundary_f1(true, square(30), 2) == 1.0


def line(row: int) -> NDArray[np.uint8]:
    labels = np.zeros((50, 50), np.uint8)
    labels[row] = 1
    return labels


def test_a_thin_structure_may_be_two_pixels_off() -> None:
    assert near_f1(near_counts(line(20), line(22), 2))[1] == 1.0
    assert near_f1(near_counts(line(20), line(23), 2))[1] == 0.0
    assert math.isnan(near_f1(near_counts(line(20), line(20), 3))[2])


def point(row: int, column: int) -> NDArray[np.uint8]:
    labels = np.zeros((21, 21), np.uint8)
    labels[10 + row, 10 + column] = 1
    return labels


@pytest.mark.parametrize("tolerance", [1, 2, 3, 5])
def test_near_is_what_lies_at_most_that_far_away_in_any_direction(
    tolerance: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NEAR_PX", tolerance)
    for row in range(-7, 8):
        for column in range(-7, 8):
            right = float(math.hypot(row, column) <= tolerance)
            assert near_f1(near_counts(point(0, 0), point(row, column), 2))[1] == right, (row, column)


@pytest.mark.parametrize(
    ("row", "column", "right"), [(0, 2, 1.0), (-2, 0, 1.0), (1, 1, 1.0), (2, 1, 0.0), (1, -2, 0.0)]
)
def test_a_border_two_pixels_away_is_right_and_one_a_knights_move_away_is_not(
    row: int, column: int, right: float
) -> None:
    assert boundary_f1(1 - point(0, 0), 1 - point(row, column), 1) == right  # only the point is of class 0


def test_thin_structures_add_up_over_pictures_and_void_counts_for_nothing() -> None:
    half = line(20)
    half[:, 25:] = 255
    assert near_f1(near_counts(half, line(20), 2))[1] == 1.0
    counts = near_counts(line(20), line(20), 2) + near_counts(np.zeros_like(half), line(20), 2)
    assert near_f1(counts)[1] == pytest.approx(2 / 3)  # half of what was found is right, all there is was found
