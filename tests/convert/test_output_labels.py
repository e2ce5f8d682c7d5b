"""Outputs that hold class ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.convert.importer import Hints, import_model
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from tests.convert.test_outputs import imported
from tests.parts import toy_models


def test_labels_tell_by_their_argmax_how_many_classes_there_are(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx", kind="labels", classes=7)
    assert len(imported(source).spec.classes) == 7
    counted = import_model(source, tmp_path / "b.onnx", Hints(normalise="0..1", classes=("7",)))
    assert counted.spec.classes[:2] == ("class 0", "class 1")
    with pytest.raises(InputError, match="expected 7 class names for 7 channels, found 5"):
        import_model(source, tmp_path / "c.onnx", Hints(normalise="0..1", classes=("5",)))


def labelled(path: Path, values: np.ndarray[Any, Any]) -> Path:
    """Labels that no ArgMax gives."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "values"], ["floats"]),
        helper.make_node("Cast", ["floats"], ["labels"], to=TensorProto.INT64),
    ]
    ports = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *values.shape[1:]]),
        helper.make_tensor_value_info("labels", TensorProto.INT64, values.shape),
    ]
    weights = [
        numpy_helper.from_array(np.float32(0), "zero"),
        numpy_helper.from_array(values.astype(np.float32), "values"),
    ]
    graph = helper.make_graph(nodes, "labelled", ports[:1], ports[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_class_ids_beyond_the_names_are_seen_before_the_file_is_written(tmp_path: Path) -> None:
    values = np.zeros((1, 24, 32))
    values[0, :4] = 4
    source = labelled(tmp_path / "a.onnx", values)
    with pytest.raises(InputError, match="labels do not tell how many classes.*--classes"):
        imported(source)
    with pytest.raises(InputError, match="gives class 4, but there are names for 0 to 2 alone"):
        imported(source, Hints(normalise="0..1", classes=("a", "b", "c")))
    assert imported(source, Hints(normalise="0..1", classes=("5",))).spec.classes[4] == "class 4"


@pytest.mark.parametrize("no_class", [255, -1])
def test_masks_of_0_and_255_are_no_class_ids(no_class: int, tmp_path: Path) -> None:
    values = np.zeros((1, 24, 32))
    values[0, :20] = no_class
    source = labelled(tmp_path / "a.onnx", values)
    with pytest.raises(InputError, match="stand for no class, on 83% of the pixels"):
        imported(source, Hints(normalise="0..1", classes=("background", "object")))
    values[0, 4:] = 0
    assert imported(labelled(tmp_path / "b.onnx", values), Hints(normalise="0..1", classes=("a", "b"))).agreement == 1


@pytest.mark.parametrize("strange", [256, -2])
def test_labels_that_fit_no_byte_are_refused(strange: int, tmp_path: Path) -> None:
    values = np.zeros((1, 24, 32))
    values[0, 0, 0] = strange
    with pytest.raises(InputError, match="which fit no byte"):
        imported(labelled(tmp_path / "a.onnx", values), Hints(normalise="0..1", classes=("a", "b")))


def test_void_by_minus_one_stays_void(tmp_path: Path) -> None:
    values = np.zeros((1, 24, 32))
    values[0, 0, 0] = -1
    made = imported(labelled(tmp_path / "a.onnx", values), Hints(normalise="0..1", classes=("a", "b")))
    (found,) = load_segmenter(str(made.file)).make(1)([Frame(np.zeros((24, 32, 3), np.uint8), 0, 0.0, 0.0)])
    assert found.labels[0, 0] == 255 and (found.labels[1:] == 0).all()


def test_halves_may_fall_to_either_side_where_scores_are_as_near_as_halves_round(tmp_path: Path) -> None:
    """Two random convolutions in fp16: a runtime that computes between them in fp32 gives a few other labels."""
    random = np.random.default_rng(0)
    weights, nodes, last = [], [], "image"
    for name, (before, after) in {"a": (3, 16), "y": (16, 5)}.items():
        shape = (after, before, 3, 3)
        weights += [
            numpy_helper.from_array((random.standard_normal(shape) * 0.1).astype(np.float16), f"{name}_w"),
            numpy_helper.from_array((random.standard_normal(after) * 0.1).astype(np.float16), f"{name}_b"),
        ]
        nodes.append(helper.make_node("Conv", [last, f"{name}_w", f"{name}_b"], [name], pads=[1, 1, 1, 1]))
        last = name
        if name == "a":
            nodes.append(helper.make_node("Relu", ["a"], ["r"]))
            last = "r"
    ports = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT16, [1, 3, 256, 256]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1, 5, 256, 256]),
    ]
    graph = helper.make_graph(nodes, "half", ports[:1], ports[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "a.onnx")
    assert imported(tmp_path / "a.onnx", Hints(normalise="imagenet")).agreement > 0.999


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -0.1, 1.5])
def test_a_threshold_is_a_share(threshold: float, tmp_path: Path) -> None:
    source = labelled(tmp_path / "a.onnx", np.zeros((1, 24, 32)))
    with pytest.raises(InputError, match="--threshold .*: expected 0 to 1"):
        imported(source, Hints(normalise="0..1", classes=("a", "b"), threshold=threshold))


def masked(path: Path, *last: onnx.NodeProto) -> Path:
    """True where the picture is bright, then the nodes `last`, the final one of which gives `labels`."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1]),
        helper.make_node("Greater", ["grey", "half"], ["bright"]),
        *last,
    ]
    ports = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 24, 32]),
        helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, 1, 24, 32]),
    ]
    numbers: dict[str, Any] = {
        "half": np.float32(0.9),
        "white": np.uint8(255),
        "black": np.uint8(0),
        "void": np.array([255], np.uint8),
    }
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "masked", ports[:1], ports[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


BYTES = helper.make_node("Cast", ["bright"], ["bytes"], to=TensorProto.UINT8)
NODE = helper.make_node


@pytest.mark.parametrize(
    "last",
    [
        [BYTES, NODE("Mul", ["bytes", "white"], ["labels"])],
        [BYTES, NODE("Mul", ["void", "bytes"], ["many"]), NODE("Identity", ["many"], ["labels"])],
        [NODE("Where", ["bright", "white", "black"], ["labels"])],
    ],
    ids=["times", "times turned", "where"],
)
def test_a_mask_that_is_255_where_the_object_is_is_refused_though_little_of_it_is_seen(
    last: list[onnx.NodeProto], tmp_path: Path
) -> None:
    source = masked(tmp_path / "a.onnx", *last)
    with pytest.raises(InputError, match="output 'labels' goes up to 255, which stands for no class .*0 and 1"):
        imported(source, Hints(normalise="0..1", classes=("background", "object")))
    assert [file.name for file in tmp_path.iterdir()] == ["a.onnx"]


def test_class_ids_may_be_255_where_there_is_no_class(tmp_path: Path) -> None:
    source = masked(tmp_path / "a.onnx", BYTES, NODE("Where", ["bright", "white", "bytes"], ["labels"]))
    assert imported(source, Hints(normalise="0..1", classes=("background", "object"))).agreement == 1
