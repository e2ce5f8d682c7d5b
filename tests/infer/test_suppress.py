from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.infer import suppress
from streamseg.infer.suppress import keep_best

RANDOM = np.random.default_rng(1)


def greedy(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], class_ids: NDArray[np.int32], overlap: float
) -> list[int]:
    """By the textbook, one box after the other."""
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        own = [j for j in kept if class_ids[j] == class_ids[i]]
        if all(iou(boxes[i], boxes[j]) <= overlap for j in own):
            kept.append(i)
    return kept


def iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    wide, high = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = max(wide, 0) * max(high, 0)
    return float(shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared))


def crowd(n: int, classes: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    low = RANDOM.integers(0, 60, (n, 2)).astype(np.float32)
    boxes = np.concatenate([low, low + RANDOM.integers(5, 40, (n, 2))], 1).astype(np.float32)
    return boxes, RANDOM.random(n, np.float32), RANDOM.integers(0, classes, n).astype(np.int32)


@pytest.mark.parametrize(("n", "classes"), [(0, 1), (1, 1), (40, 1), (150, 3), (200, 80)])
@pytest.mark.parametrize("overlap", [0.23, 0.71])
def test_what_stays_is_what_stays_box_after_box(n: int, classes: int, overlap: float) -> None:
    boxes, scores, ids = crowd(n, classes)
    assert keep_best(boxes, scores, ids, overlap).tolist() == greedy(boxes, scores, ids, overlap)


@pytest.mark.parametrize("classes", [1, 3, 80])
@pytest.mark.parametrize("most", [1, 20, 1000])
def test_portions_change_nothing_and_it_ends_with_as_many_as_are_wanted(
    classes: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppress, "_PORTION", 16)
    monkeypatch.setattr(suppress, "_KEPT_AT_ONCE", 5)
    for _ in range(5):
        boxes, scores, ids = crowd(300, classes)
        scores = np.round(scores, 1)  # many score alike
        assert keep_best(boxes, scores, ids, 0.5, most).tolist() == greedy(boxes, scores, ids, 0.5)[:most]


def test_as_many_boxes_of_one_class_as_frameworks_compare_are_as_box_after_box() -> None:
    low = RANDOM.random((30_000, 2), np.float32) * 600
    boxes = np.concatenate([low, low + 5 + RANDOM.random((30_000, 2), np.float32) * 100], 1)
    scores = np.round(RANDOM.random(30_000, np.float32), 4)
    assert keep_best(boxes, scores, np.zeros(30_000, np.int32), 0.7, 300).tolist() == first(boxes, scores, 0.7, 300)


def first(boxes: NDArray[np.float32], scores: NDArray[np.float32], overlap: float, most: int) -> list[int]:
    """As `greedy` of one class, all boxes at once with each that stays."""
    order = np.argsort(-scores, kind="stable")
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    kept: list[int] = []
    while len(order) and len(kept) < most:
        best, order = order[0], order[1:]
        kept.append(int(best))
        sides = np.minimum(boxes[order, 2:], boxes[best, 2:]) - np.maximum(boxes[order, :2], boxes[best, :2])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        order = order[shared / (areas[order] + areas[best] - shared) <= overlap]
    return kept


def test_of_two_that_score_alike_the_first_stays() -> None:
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9]], np.float32)
    assert keep_best(boxes, np.ones(2, np.float32), np.zeros(2, np.int32), 0.5).tolist() == [0]


def test_boxes_without_an_inside_and_such_that_are_no_number_do_no_harm() -> None:
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [np.nan, 0, 9, 9], [0, 0, 9, 9]], np.float32)
    assert 3 in keep_best(boxes, np.ones(4, np.float32), np.zeros(4, np.int32), 0.5)
