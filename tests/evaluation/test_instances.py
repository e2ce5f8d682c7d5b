from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.evaluation.instances import Found, InstanceCount
from streamseg.evaluation.objects import Crowd, Objects

CLASSES = ("background", "disc", "square")


def discs(*centres: tuple[int, int], radius: int = 8) -> NDArray[np.uint16]:
    numbers = np.zeros((100, 120), np.uint16)
    for number, centre in enumerate(centres, 1):
        cv2.circle(numbers, centre, radius, (number,), -1)
    return numbers


def true(numbers: NDArray[np.uint16]) -> Objects:
    return Objects(numbers, np.array([0] + [1] * int(numbers.max()), np.int32))


def found(numbers: NDArray[np.uint16], *scores: float, class_id: int = 1) -> Found:
    n = int(numbers.max())
    return Found(numbers, np.array([0] + [class_id] * n, np.int32), np.array([0.0, *(scores or [0.9] * n)], np.float32))


THREE = discs((20, 20), (60, 20), (60, 70))


def test_perfect_objects_score_one() -> None:
    count = InstanceCount(2)
    assert count.add(true(THREE), found(THREE)) == 1.0
    scores = count.scores()
    assert (scores.ap50, scores.ap, scores.right50, scores.right) == pytest.approx((1, 1, 1, 1))


def test_one_of_three_missed_and_one_invented() -> None:
    count = InstanceCount(2)
    count.add(true(THREE), found(discs((20, 20), (60, 20), (100, 90)), 0.9, 0.8, 0.7))
    scores = count.scores()
    assert scores.right50 == pytest.approx(2 / 4)
    assert scores.ap50 == pytest.approx(67 / 101)  # full precision up to a recall of two thirds


def test_a_wrong_guess_costs_more_the_surer_it_is() -> None:
    sure, unsure = InstanceCount(2), InstanceCount(2)
    numbers = discs((100, 90), (20, 20), (60, 20), (60, 70))
    sure.add(true(THREE), found(numbers, 0.99, 0.9, 0.8, 0.7))
    unsure.add(true(THREE), found(numbers, 0.5, 0.9, 0.8, 0.7))
    assert unsure.scores().ap50 == pytest.approx(1.0)
    assert sure.scores().ap50 < 0.8


def test_an_object_of_another_class_is_wrong() -> None:
    count = InstanceCount(3)
    count.add(true(THREE), found(THREE, class_id=2))
    assert count.scores().ap50 == 0.0


def test_a_smaller_object_is_right_only_at_lower_overlaps() -> None:
    count = InstanceCount(2)
    count.add(true(discs((60, 50), radius=20)), found(discs((60, 50), radius=17)))
    scores = count.scores()
    assert scores.right50 == 1.0
    assert scores.right == pytest.approx(0.5, abs=0.11)


def test_an_empty_picture_is_no_score_and_an_empty_answer_is_zero() -> None:
    nothing = np.zeros((100, 120), np.uint16)
    count = InstanceCount(2)
    assert math.isnan(count.add(true(nothing), found(nothing)))
    assert count.add(true(THREE), found(nothing)) == 0.0
    assert count.scores().right == 0.0


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_average_precision_is_cocos(crowded: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """The same objects through pycocotools, which is what everybody's figures come from."""
    coco = pytest.importorskip("pycocotools.coco", reason="pip install '.[train]'").COCO
    from pycocotools import mask as rle
    from pycocotools.cocoeval import COCOeval

    dice = np.random.default_rng(1)
    count = InstanceCount(2)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    results: list[dict[str, object]] = []
    for image_id in range(1, 9):
        centres = [(int(x), int(y)) for x in range(15, 120, 30) for y in range(15, 100, 30)]
        kept = [c for c in centres if dice.random() < 0.7]
        guessed = [(x + int(dice.integers(-4, 5)), y) for x, y in centres if dice.random() < 0.6]
        scores = [round(float(value), 4) for value in dice.random(len(guessed))]
        crowd = np.zeros((100, 120), bool)
        crowd[:, 76:] = crowded  # through the middle of the third column of discs
        truth_of_it = replace(true(discs(*kept)), crowds=(Crowd(1, crowd),))
        count.add(truth_of_it, found(discs(*guessed), *scores))
        images.append({"id": image_id, "width": 120, "height": 100, "file_name": "x"})
        for where, out in ((kept, annotations), (guessed, results)):
            numbers = discs(*where)
            for number in range(1, len(where) + 1):
                encoded = rle.encode(np.asfortranarray((numbers == number).astype(np.uint8)))
                entry = {"image_id": image_id, "category_id": 1, "segmentation": encoded, "iscrowd": 0}
                entry["area"] = float(rle.area(encoded))
                entry["id"] = len(out) + 1
                entry["score"] = scores[number - 1] if out is results else 1.0
                out.append(entry)
        if crowded:
            encoded = rle.encode(np.asfortranarray(crowd.view(np.uint8)))
            entry = {"image_id": image_id, "category_id": 1, "segmentation": encoded, "iscrowd": 1}
            annotations.append({**entry, "area": float(rle.area(encoded)), "id": len(annotations) + 1})
    truth = coco()
    truth.dataset = {
        "info": {},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "disc"}],
    }
    truth.createIndex()
    judge = COCOeval(truth, truth.loadRes(results), "segm")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    capfd.readouterr()
    assert count.scores().ap50 == pytest.approx(judge.stats[1], abs=1e-6)
    assert count.scores().ap == pytest.approx(judge.stats[0], abs=1e-6)


def test_what_is_found_in_a_crowd_of_its_class_is_neither_right_nor_wrong() -> None:
    crowd = np.zeros((100, 120), bool)
    crowd[50:] = True
    numbers = discs((20, 20), (60, 70), (100, 90))
    for class_id, right in ((1, 1.0), (2, 1 / 3), (255, 1.0)):
        count = InstanceCount(3)
        truth = replace(true(discs((20, 20))), crowds=(Crowd(class_id, crowd),))
        assert count.add(truth, found(numbers, 0.7, 0.8, 0.9)) == pytest.approx(right)
        assert count.scores().ap50 == pytest.approx(right)
