from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.evaluation.instances import Found, InstanceCount
from streamseg.evaluation.objects import Crowd, Objects, find_labelled, read_objects

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pictures", "numbers"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), np.zeros((100, 120, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "numbers" / "a.png"), THREE)
    return tmp_path


def test_numbered_masks_are_read(folder: Path) -> None:
    (labelled,) = find_labelled(folder / "pictures", folder / "numbers")
    objects = read_objects(labelled, CLASSES, (100, 120, 3))
    assert (objects.numbers == THREE).all()
    assert objects.class_ids.tolist() == [0, 1, 1, 1]


def test_wrong_numbers_are_one_line(folder: Path) -> None:
    (labelled,) = find_labelled(folder / "pictures", folder / "numbers")
    with pytest.raises(InputError, match=r"a\.png: 120x100, but its picture is 50x50"):
        read_objects(labelled, CLASSES, (50, 50, 3))
    cv2.imwrite(str(folder / "numbers" / "a.png"), np.zeros((100, 120, 3), np.uint8))
    with pytest.raises(InputError, match="a number for each object"):
        read_objects(labelled, CLASSES, (100, 120, 3))
    with pytest.raises(InputError, match="no such folder"):
        find_labelled(folder / "none", folder / "numbers")
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="no picture has a mask"):
        find_labelled(folder / "pictures", folder / "empty")


def coco_json(folder: Path, **changes: object) -> Path:
    square = {
        "id": 1,
        "image_id": 7,
        "category_id": 3,
        "iscrowd": 0,
        "segmentation": [[10, 10, 40, 10, 40, 30, 10, 30]],
    }
    content = {
        "images": [{"id": 7, "file_name": "a.png", "width": 120, "height": 100}],
        "annotations": [square],
        "categories": [{"id": 3, "name": "square"}],
        **changes,
    }
    path = folder / "coco.json"
    path.write_text(json.dumps(content))
    return path


def test_cocos_json_is_read(folder: Path) -> None:
    pytest.importorskip("pycocotools", reason="pip install '.[train]'")
    (labelled,) = find_labelled(folder / "pictures", coco_json(folder))
    objects = read_objects(labelled, CLASSES, (100, 120, 3))
    assert objects.class_ids.tolist() == [0, 2]
    assert objects.numbers[20, 25] == 1
    assert 550 < (objects.numbers == 1).sum() < 660


def test_wrong_coco_is_one_line(folder: Path) -> None:
    pytest.importorskip("pycocotools", reason="pip install '.[train]'")
    path = coco_json(folder, categories=[{"id": 3, "name": "boat"}])
    (labelled,) = find_labelled(folder / "pictures", path)
    with pytest.raises(InputError, match="category 'boat' is none of the classes"):
        read_objects(labelled, CLASSES, (100, 120, 3))
    with pytest.raises(InputError, match="no pictures in it"):
        find_labelled(folder / "pictures", coco_json(folder, images=[]))
    with pytest.raises(InputError, match=r"b\.png: is named in"):
        find_labelled(folder / "pictures", coco_json(folder, images=[{"id": 7, "file_name": "b.png"}]))
    for text in ("", "[]", "{}", '{"images": 3}'):
        path.write_text(text)
        with pytest.raises(InputError, match="not COCO's JSON"):
            find_labelled(folder / "pictures", path)
    with pytest.raises(InputError, match="No such file"):
        find_labelled(folder / "pictures", folder / "none.json")


def test_a_wrong_outline_is_one_line(folder: Path) -> None:
    pytest.importorskip("pycocotools", reason="pip install '.[train]'")
    for where, says in (
        ([[10, 10, 1e300, 10, 40, 30]], "corners far outside"),
        ([[10, 10, float("nan"), 10, 40, 30]], "corners far outside"),
        ({"size": [100, 120], "counts": [10, 20]}, "no valid outline"),
        ([[10, 10, 40, 10]], "no valid outline"),
        (None, "no valid outline"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "not of the size"),
    ):
        (labelled,) = find_labelled(
            folder / "pictures",
            coco_json(folder, annotations=[{"id": 1, "image_id": 7, "category_id": 3, "segmentation": where}]),
        )
        with pytest.raises(InputError, match=says):
            read_objects(labelled, CLASSES, (100, 120, 3))
    for image, says in (
        ({"id": "x", "file_name": "a.png"}, "not COCO's JSON"),
        ({"id": 7, "file_name": "a" * 5000}, "and missing"),
    ):
        with pytest.raises(InputError, match=says):
            find_labelled(folder / "pictures", coco_json(folder, images=[image]))
    for size in ({}, {"width": 10**9, "height": 10**9}):
        (labelled,) = find_labelled(
            folder / "pictures", coco_json(folder, images=[{"id": 7, "file_name": "a.png", **size}])
        )
        if size:
            with pytest.raises(InputError, match="not of the size"):
                read_objects(labelled, CLASSES, (100, 120, 3))
        else:
            assert read_objects(labelled, CLASSES, (100, 120, 3)).numbers.max() == 1


def test_annotations_of_one_number_are_all_read(folder: Path) -> None:
    pytest.importorskip("pycocotools", reason="pip install '.[train]'")
    parts = [[[10, 10, 40, 10, 40, 30, 10, 30]], [[50, 50, 70, 50, 70, 60, 50, 60]]]
    twice = [{"id": 1, "image_id": 7, "category_id": 3, "segmentation": part} for part in parts]
    (labelled,) = find_labelled(folder / "pictures", coco_json(folder, annotations=twice))
    assert read_objects(labelled, CLASSES, (100, 120)).class_ids.tolist() == [0, 2, 2]


def test_crowds_and_what_is_of_no_class_are_put_aside(folder: Path) -> None:
    pytest.importorskip("pycocotools", reason="pip install '.[train]'")
    square = [[10, 10, 40, 10, 40, 30, 10, 30]]
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 3, "segmentation": square, "iscrowd": 1},
        {"id": 2, "image_id": 7, "category_id": 4, "segmentation": square},
        {"id": 3, "image_id": 7, "category_id": 5, "segmentation": square, "iscrowd": 1},
    ]
    annotations.append({"id": 4, "image_id": 8, "category_id": 3, "segmentation": square})
    names = [{"id": 3, "name": "square"}, {"id": 4, "name": "__ignore__"}, {"id": 5, "name": "unknown"}]
    (labelled,) = find_labelled(folder / "pictures", coco_json(folder, annotations=annotations, categories=names))
    objects = read_objects(labelled, CLASSES, (100, 120))
    assert objects.class_ids.tolist() == [0] and not objects.numbers.any()
    assert [each.class_id for each in objects.crowds] == [2, 255]
    assert all(each.mask[15, 20] and not each.mask[50, 50] for each in objects.crowds)


def test_where_everything_is_a_crowd_each_is_an_object(folder: Path) -> None:
    """As CVAT writes what was drawn with a brush."""
    pytest.importorskip("pycocotools", reason="pip install '.[train]'")
    brushed = {"id": 1, "image_id": 7, "category_id": 3, "segmentation": [[10, 10, 40, 10, 40, 30]], "iscrowd": 1}
    (labelled,) = find_labelled(folder / "pictures", coco_json(folder, annotations=[brushed]))
    objects = read_objects(labelled, CLASSES, (100, 120))
    assert objects.class_ids.tolist() == [0, 2] and not objects.crowds
