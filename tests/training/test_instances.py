from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

import onnx  # noqa: E402

from streamseg.errors import InputError  # noqa: E402
from streamseg.evaluation.evaluate import Wanted, evaluate  # noqa: E402
from streamseg.evaluation.objects import Objects  # noqa: E402
from streamseg.infer import load_segmenter  # noqa: E402
from streamseg.training.checkpoint import load_checkpoint  # noqa: E402
from streamseg.training.data import read_image  # noqa: E402
from streamseg.training.export import export  # noqa: E402
from streamseg.training.instances import InstanceTask, make_target  # noqa: E402
from streamseg.training.network import build  # noqa: E402
from streamseg.training.plan import Plan  # noqa: E402
from streamseg.training.train import BEST, train  # noqa: E402
from tests.training.scene import Silent, make_plan  # noqa: E402

SIDE = 128


def write_objects(root: Path, n: int = 2) -> None:
    """Bright discs on noise, numbered."""
    for folder in ("pictures", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for seed in range(n):
        random = np.random.default_rng(seed)
        picture = random.integers(0, 50, (SIDE, SIDE, 3), np.uint8)
        numbers = np.zeros((SIDE, SIDE), np.uint16)
        for number, (x, y) in enumerate([(30, 30), (90, 36), (40, 94), (98, 96)], 1):
            centre = x + int(random.integers(-8, 9)), y + int(random.integers(-8, 9))
            radius = int(random.integers(12, 20))
            cv2.circle(picture, centre, radius, (60, 210, 220), -1)
            cv2.circle(numbers, centre, radius, (number,), -1)
        cv2.imwrite(str(root / "pictures" / f"{seed}.png"), picture)
        cv2.imwrite(str(root / "masks" / f"{seed}.png"), numbers)


def objects_plan(root: Path, **tables: dict[str, Any]) -> Plan:
    usual: dict[str, dict[str, Any]] = {
        "network": {"architecture": "mask-rcnn", "width": 32},
        "augment": {"crop": [SIDE, SIDE]},
        "export": {"height": SIDE, "width": SIDE},
        "data": {"validation": {"pictures": "pictures", "masks": "masks"}},
        "schedule": {"epochs": 50, "repeat": 2, "rate": 4e-3, "ema": 0.5, "validate_every": 50, "encoder_rate": 1.0},
    }
    for name, table in tables.items():
        usual[name] = {**usual.get(name, {}), **table}
    return make_plan(root, 2, **usual)


@pytest.mark.parametrize("side", [48, 100, 160])
def test_objects_stay_where_they_are_in_a_picture_that_is_scaled(side: int, tmp_path: Path) -> None:
    numbers = np.zeros((SIDE, SIDE), np.uint16)
    cv2.circle(numbers, (60, 70), 40, (1,), -1)
    for folder, drawn in (("pictures", np.repeat(numbers[..., None] * 255, 3, 2)), ("masks", numbers)):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), drawn.astype(np.uint8))
    ((image, objects),) = InstanceTask(objects_plan(tmp_path, export={"height": side, "width": side}))._images
    assert image.shape[:2] == objects.numbers.shape == (side, side)
    seen, known = (np.argwhere(each).mean(0) for each in (image[..., 0] > 127, objects.numbers > 0))
    assert np.abs(seen - known).max() < 0.1


@pytest.mark.slow
def test_a_network_learns_two_pictures_and_finds_their_objects_when_deployed(tmp_path: Path) -> None:
    write_objects(tmp_path)
    watcher = Silent()
    history = train(objects_plan(tmp_path), tmp_path / "out", watcher)
    assert np.mean(watcher.losses[-4:]) < np.mean(watcher.losses[:4]) / 4
    assert history[-1]["validation ap50"] == 1.0

    done = export(tmp_path / "out" / BEST, tmp_path / "discs.onnx")
    assert done.agreement > 0.999
    kinds = {node.op_type for node in onnx.load(done.file).graph.node}
    assert not kinds & {"NonMaxSuppression", "RoiAlign", "NonZero", "If", "Loop"}
    recipe = load_segmenter(str(done.file))
    found = evaluate(recipe, tmp_path / "pictures", tmp_path / "masks", Wanted(ids={}), 1)
    assert found.figures["ap_50"] == 1.0
    assert found.figures["right"] == pytest.approx(history[-1]["validation right"], abs=0.02)


def test_a_sliver_is_no_object_and_boxes_go_from_edge_to_edge() -> None:
    numbers = np.zeros((40, 40), np.uint16)
    numbers[10:20, 5:30] = 3
    numbers[0, :5] = 1
    target = make_target(Objects(numbers, np.array([0, 1, 1, 2], np.int32)))
    assert target.boxes.tolist() == [[5, 10, 30, 20]]
    assert target.class_ids.tolist() == [2]
    assert target.masks.sum() == 250


def test_a_picture_without_objects_is_learnt_from_too(tmp_path: Path) -> None:
    write_objects(tmp_path)
    cv2.imwrite(str(tmp_path / "masks" / "1.png"), np.zeros((SIDE, SIDE), np.uint16))
    plan = objects_plan(tmp_path)
    loss = InstanceTask(plan).loss(build(plan), [(i, np.random.default_rng(i)) for i in (0, 1)], 0)
    assert loss.isfinite()
    cv2.imwrite(str(tmp_path / "masks" / "0.png"), np.zeros((SIDE, SIDE), np.uint16))
    assert InstanceTask(plan).loss(build(plan), [(0, np.random.default_rng(0))], 0).isfinite()


def test_cocos_json_is_learnt_from(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="pip install '.[train]'")
    write_objects(tmp_path)
    outline = [20, 20, 44, 20, 44, 44, 20, 44]
    truth = {
        "images": [{"id": 1, "file_name": "0.png", "width": SIDE, "height": SIDE}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [outline]}],
        "categories": [{"id": 1, "name": "class 1"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(truth))
    folder = {"pictures": "pictures", "masks": "coco.json"}
    plan = objects_plan(tmp_path, data={"train": folder, "validation": folder}, schedule={"epochs": 1, "batch": 1})
    train(plan, tmp_path / "out", Silent())
    assert load_checkpoint(tmp_path / "out" / "last.pt")["epoch"] == 1


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ({"export": {"height": None, "width": None}}, "one fixed size"),
        ({"data": {"ids": {"1": 0}}}, "numbers, not class ids"),
        ({"data": {"hold_out": ["9*"]}}, "0 of 2 pictures match"),
    ],
)
def test_a_plan_that_does_not_fit_objects_is_one_line(
    tmp_path: Path, tables: dict[str, dict[str, Any]], complaint: str
) -> None:
    write_objects(tmp_path)
    with pytest.raises(InputError, match=complaint):
        train(objects_plan(tmp_path, **tables), tmp_path / "out", Silent())


def test_pictures_of_a_colour_that_few_have_are_shown_more_often(tmp_path: Path) -> None:
    write_objects(tmp_path, 10)
    odd = tmp_path / "pictures" / "9.png"
    cv2.imwrite(str(odd), 255 - read_image(odd))
    task = InstanceTask(objects_plan(tmp_path, schedule={"rare": 0.4, "repeat": 2}))
    orders = [task.order(np.random.default_rng(seed)) for seed in range(40)]
    assert len(task) == len(orders[0]) == 9 * 2 + 4
    np.testing.assert_allclose(np.mean([np.bincount(each, minlength=10) for each in orders], 0), [2.0] * 9 + [4.0])


@pytest.mark.parametrize(
    "kept", [{"hold_out": ["1*"]}, {"hold_out_groups": {"named": "^.", "folds": 2, "sealed": ["1*"]}}]
)
def test_what_will_be_scored_is_read_before_anything_is_learnt(kept: dict[str, Any], tmp_path: Path) -> None:
    write_objects(tmp_path, 3)
    cv2.imwrite(str(tmp_path / "masks" / "1.png"), np.ones((5, 5), np.uint8))
    with pytest.raises(InputError, match=r"1\.png: 5x5, but its picture is 128x128"):
        InstanceTask(objects_plan(tmp_path, data={**kept, "validation": None}))
