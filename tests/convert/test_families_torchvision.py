"""torchvision's detectors, whose labels count the background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamseg.convert.importer import Hints, import_model
from streamseg.errors import InputError
from tests.convert.test_families import SIZE, boxes


def detector(path: Path, label: int, classes: int = 5, op: str = "Softmax") -> Path:
    """One object of a `label`, whose score is picked out of `classes` shares as torchvision picks it."""
    values: dict[str, NDArray[Any]] = {
        "boxes_value": np.array([[12, 26, 28, 34]], np.float32),
        "labels_value": np.array([label], np.int64),
        "head": np.where(np.arange(classes) == label, 3, -3).astype(np.float32)[None],
        "flat_shape": np.array([-1], np.int64),
        "places": np.array([label], np.int64),
    }
    nodes = [
        helper.make_node("Identity", ["boxes_value"], ["boxes"]),
        helper.make_node("Identity", ["labels_value"], ["labels"]),
        helper.make_node(op, ["head"], ["shares"]),
        helper.make_node("Reshape", ["shares", "flat_shape"], ["flat"]),
        helper.make_node("Gather", ["flat", "places"], ["scores"]),
    ]
    ports = {"boxes": [1, 4], "labels": [1], "scores": [1]}
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *SIZE])],
        [
            helper.make_tensor_value_info(name, TensorProto.INT64 if name == "labels" else TensorProto.FLOAT, shape)
            for name, shape in ports.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


FRUIT = ("apple", "banana", "cherry", "date")


@pytest.mark.parametrize("op", ["Softmax", "Sigmoid"])
@pytest.mark.parametrize("classes", [FRUIT, ("background", *FRUIT), ("__background__", *FRUIT)], ids=str)
def test_torchvisions_labels_begin_behind_the_background(classes: tuple[str, ...], op: str, tmp_path: Path) -> None:
    for label, name in enumerate(FRUIT, 1):
        source = detector(tmp_path / f"{label}.onnx", label, op=op)
        made = import_model(source, tmp_path / f"made{label}.onnx", Hints(classes=classes))
        assert made.spec.classes == ("background", *FRUIT) and made.spec.background == 0
        assert [made.spec.classes[i] for i in boxes(made.file).class_ids] == [name]
        assert "label 1 is 'apple'" in made.assumed


def test_as_many_names_as_torchvisions_head_is_wide_are_taken_as_they_are(tmp_path: Path) -> None:
    source = detector(tmp_path / "toy.onnx", 4)
    made = import_model(source, tmp_path / "made.onnx", Hints(classes=("nothing", *FRUIT)))
    assert made.spec.classes == ("nothing", *FRUIT, "background")
    assert boxes(made.file).class_ids.tolist() == [4]


@pytest.mark.parametrize("classes", [None, ("4",), ("5",)])
def test_torchvisions_classes_are_counted_in_the_graph(classes: tuple[str, ...] | None, tmp_path: Path) -> None:
    made = import_model(detector(tmp_path / "toy.onnx", 4), tmp_path / "made.onnx", Hints(classes=classes))
    assert made.spec.classes == ("background", "class 1", "class 2", "class 3", "class 4")


@pytest.mark.parametrize("classes", [None, ("5",)])
def test_no_object_is_lost_where_label_0_has_scores_of_its_own(classes: tuple[str, ...] | None, tmp_path: Path) -> None:
    source = detector(tmp_path / "toy.onnx", 0, op="Sigmoid")
    made = import_model(source, tmp_path / "made.onnx", Hints(classes=classes))
    assert made.spec.classes == ("class 0", "class 1", "class 2", "class 3", "class 4", "background")
    assert boxes(made.file).class_ids.tolist() == [0]


@pytest.mark.parametrize("classes", [FRUIT[:3], (*FRUIT, "elder", "fig"), ("3",), ("coco",), ("background", "a")])
def test_another_number_of_names_than_torchvisions_head_has_is_refused(
    classes: tuple[str, ...], tmp_path: Path
) -> None:
    source = detector(tmp_path / "toy.onnx", 4)
    with pytest.raises(InputError, match="expected 4 class names, or 5 with the background first, found"):
        import_model(source, tmp_path / "made.onnx", Hints(classes=classes))
