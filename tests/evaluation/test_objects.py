"""Labelled objects as they are read: masks of their numbers, and COCO's JSON."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.evaluation.objects import find_labelled, read_objects
from tests.evaluation.test_instances import CLASSES, THREE


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
        ([], "no valid outline"),
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
        ({"id": 7}, "not COCO's JSON"),
    ):
        with pytest.raises(InputError, match=says):
            find_labelled(folder / "pictures", coco_json(folder, images=[image]))
    for size in ({}, {"width": 0, "height": None}, {"width": 10**9, "height": 10**9}):
        (labelled,) = find_labelled(
            folder / "pictures", coco_json(folder, images=[{"id": 7, "file_name": "a.png", **size}])
        )
        if any(size.values()):
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


def test_parts_of_an_outline_without_an_area_are_left_out(folder: Path) -> None:
    pytest.importorskip("pycocotools", reason="pip install '.[train]'")
    square, masks = [10, 10, 40, 10, 40, 30, 10, 30], []
    for parts in ([square], [[60, 60, 70, 70], square], [[], square, [60, 60]]):
        entry = {"id": 1, "image_id": 7, "category_id": 3, "segmentation": parts}
        (labelled,) = find_labelled(folder / "pictures", coco_json(folder, annotations=[entry]))
        masks.append(read_objects(labelled, CLASSES, (100, 120)).numbers)
    assert masks[0].any() and all(np.array_equal(mask, masks[0]) for mask in masks)


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
