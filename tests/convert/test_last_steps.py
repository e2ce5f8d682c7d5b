"""Graphs whose highest plane is not the class, though they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.convert.importer import Hints, Imported, import_model
from streamseg.errors import InputError

Step = tuple[str, tuple[str, ...], dict[str, Any]]
NUMBERS = {"zeros": [0], "ones": [1], "twos": [2], "below": [-1], "below that": [-2], "low": -1.0, "high": 255.0}
NUMBERS |= {"zero": 0, "one": 1, "minus": -2.0, "plus": 1.0, "shape": [1, 2, 1, 24, 32], "flat": [1, 2, -1]}


def ending(path: Path, *steps: Step, planes: int = 5, opset: int = 17) -> Path:
    """A convolution, and behind it these operators with more inputs and attributes; the picture is 24x32."""
    weights = np.random.default_rng(0).normal(0, 0.1, (planes, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["image", "weights"], ["n0"], pads=[1] * 4)]
    for number, (operator, more, attributes) in enumerate(steps, 1):
        nodes.append(helper.make_node(operator, [f"n{number - 1}", *more], [f"n{number}"], **attributes))
    known = [numpy_helper.from_array(weights, "weights")]
    for name, value in NUMBERS.items():
        kind = np.float32 if isinstance(value, float) else np.int64
        known.append(numpy_helper.from_array(np.asarray(value, kind), name))
    graph = helper.make_graph(
        nodes,
        "ending",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 24, 32])],
        [helper.make_tensor_value_info(f"n{len(steps)}", TensorProto.FLOAT, None)],
        known,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def imported(source: Path, **hints: Any) -> Imported:
    return import_model(source, source.with_name("made.onnx"), Hints(normalise="0..1", **hints), overwrite=True)


SHARES: Step = ("Softmax", (), {"axis": 1})
TURNED: Step = ("Transpose", (), {"perm": [0, 2, 3, 1]})


@pytest.mark.parametrize(
    ("steps", "planes", "says"),
    [
        ([("LogSoftmax", (), {"axis": 1}), ("Neg", (), {})], 5, "is negated: the lowest"),
        ([("Neg", (), {})], 5, "is negated"),
        ([("Softmax", (), {"axis": 3})], 5, "its Softmax goes along axis 3, the classes along axis 1"),
        ([("LogSoftmax", (), {}), ("Identity", (), {})], 5, "its LogSoftmax goes along axis 3"),
        ([("Tanh", (), {})], 3, "looks like a picture in colours"),
        ([("Clip", ("low", "high"), {})], 3, "looks like a picture in colours"),
        ([SHARES, ("Gather", ("zeros",), {"axis": 1})], 2, "the first plane of a softmax"),
        ([SHARES, ("Slice", ("zeros", "ones", "ones"), {})], 2, "the first plane of a softmax"),
        ([SHARES, ("Slice", ("below that", "below", "ones"), {})], 2, "the first plane of a softmax"),
        ([SHARES, ("Gather", ("zero",), {"axis": 0}), ("Gather", ("zero",), {"axis": 0})], 2, "the first plane of"),
        ([SHARES, TURNED, ("Gather", ("zero",), {"axis": 3})], 2, "the first plane of a softmax"),
        ([SHARES, TURNED, ("Slice", ("zeros", "ones", "below"), {})], 2, "the first plane of a softmax"),
        ([SHARES, ("Reshape", ("shape",), {}), ("Gather", ("zero",), {"axis": 1})], 2, "the first plane of a softmax"),
        ([SHARES, ("Neg", (), {}), ("Add", ("plus",), {})], 5, "is negated"),
        ([SHARES, ("Mul", ("minus",), {})], 5, "is negated"),
        ([("Div", ("low",), {})], 5, "is negated"),
        ([("Tanh", (), {}), ("Add", ("plus",), {}), ("Mul", ("high",), {})], 3, "looks like a picture in colours"),
        ([("Sigmoid", (), {}), ("Mul", ("high",), {})], 3, "looks like a picture in colours"),
        ([("LpNormalization", (), {"axis": 1})], 8, "8 numbers of length 1: features"),
    ],
    ids=str,
)
def test_what_turns_the_scores_round_is_refused_in_words(
    steps: list[Step], planes: int, says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        imported(ending(tmp_path / "a.onnx", *steps, planes=planes))


@pytest.mark.parametrize(
    ("steps", "planes", "opset"),
    [
        ([SHARES], 5, 17),
        ([("Softmax", (), {"axis": -3})], 5, 17),
        ([("Softmax", (), {"axis": 1})], 5, 11),  # over all that comes behind: the order at a pixel stays
        ([("Transpose", (), {"perm": [0, 2, 3, 1]}), ("Softmax", (), {"axis": 3})], 5, 17),
        ([("Tanh", (), {})], 5, 17),
        ([SHARES, ("Gather", ("ones",), {"axis": 1})], 2, 17),
        ([SHARES, ("Slice", ("ones", "twos", "ones"), {})], 2, 17),
        ([SHARES, ("Slice", ("below", "twos", "ones"), {})], 2, 17),
        ([SHARES, ("Gather", ("zero",), {"axis": 0}), ("Gather", ("one",), {"axis": 0})], 2, 17),
        ([SHARES, TURNED, ("Gather", ("one",), {"axis": 3})], 2, 17),
        ([SHARES, ("Reshape", ("shape",), {}), ("Gather", ("one",), {"axis": 1})], 2, 17),
        ([("Mul", ("minus",), {}), ("Add", ("plus",), {}), ("Div", ("low",), {})], 5, 17),
        ([("Mul", ("high",), {}), ("Sub", ("plus",), {})], 5, 17),
        ([("Sigmoid", (), {}), ("Mul", ("high",), {})], 5, 17),
    ],
    ids=str,
)
def test_what_leaves_their_order_is_taken(steps: list[Step], planes: int, opset: int, tmp_path: Path) -> None:
    assert imported(ending(tmp_path / "a.onnx", *steps, planes=planes, opset=opset)).agreement == 1.0


@pytest.mark.parametrize("place", [0, 1])
def test_which_piece_of_a_split_softmax_comes_out_is_seen(place: int, tmp_path: Path) -> None:
    source = ending(tmp_path / "a.onnx", SHARES, planes=2)
    model = onnx.load(source)
    model.graph.node.append(helper.make_node("Split", ["n1"], ["p0", "p1"], axis=1))
    model.graph.output[0].name = f"p{place}"
    onnx.save(model, source)
    if place == 1:
        assert imported(source).agreement == 1.0
        return
    with pytest.raises(InputError, match="the first plane of a softmax"):
        imported(source)


def test_turned_round_by_what_it_is_taken_from(tmp_path: Path) -> None:
    source = ending(tmp_path / "a.onnx", SHARES)
    model = onnx.load(source)
    model.graph.node.append(helper.make_node("Sub", ["plus", "n1"], ["rest"]))
    model.graph.output[0].name = "rest"
    onnx.save(model, source)
    with pytest.raises(InputError, match="is negated"):
        imported(source)


def test_numbers_in_a_constant_without_a_tensor_are_seen(tmp_path: Path) -> None:
    source = ending(tmp_path / "a.onnx", SHARES, planes=2)
    model = onnx.load(source)
    model.graph.node.append(helper.make_node("Constant", [], ["which"], value_int=1))
    model.graph.node.append(helper.make_node("Gather", ["n1", "which"], ["plane"], axis=1))
    model.graph.output[0].name = "plane"
    onnx.save(model, source)
    assert imported(source).agreement == 1.0


def test_class_ids_beside_their_confidence_are_no_scores(tmp_path: Path) -> None:
    source = ending(tmp_path / "both.onnx", ("ArgMax", (), {"axis": 1}), ("Cast", (), {"to": TensorProto.FLOAT}))
    model = onnx.load(source)
    model.graph.node.append(helper.make_node("ReduceMax", ["n0"], ["sure"], axes=[1]))
    model.graph.node.append(helper.make_node("Concat", [model.graph.output[0].name, "sure"], ["both"], axis=1))
    model.graph.output[0].name = "both"
    onnx.save(model, source)
    with pytest.raises(InputError, match="holds class ids and, beside them, something else"):
        imported(source)


@pytest.mark.parametrize("kinds", [("Sigmoid", "Relu"), ("Sigmoid", ""), ("Softmax", "Sigmoid"), ("Relu", "Relu")])
def test_planes_of_several_kinds_are_not_compared(kinds: tuple[str, str], tmp_path: Path) -> None:
    source = ending(tmp_path / "both.onnx", planes=4)
    model = onnx.load(source)
    for number, kind in enumerate(kinds):
        along: dict[str, Any] = {"axis": 1} if kind == "Softmax" else {}
        model.graph.node.append(helper.make_node(kind or "Identity", ["n0"], [f"kind{number}"], **along))
    model.graph.node.append(helper.make_node("Concat", ["kind0", "kind1"], ["both"], axis=1))
    model.graph.output[0].name = "both"
    onnx.save(model, source)
    assert imported(source, role="logits").agreement == 1.0
    if kinds[0] == kinds[1]:
        assert imported(source).agreement == 1.0
        return
    with pytest.raises(InputError, match="puts planes of several kinds one behind the other"):
        imported(source)


def test_a_person_may_say_that_it_is_meant_so(tmp_path: Path) -> None:
    assert imported(ending(tmp_path / "a.onnx", ("Neg", (), {})), role="logits").agreement == 1.0
    first = ending(tmp_path / "b.onnx", SHARES, ("Gather", ("zeros",), {"axis": 1}), planes=2)
    assert imported(first, role="probability").agreement == 1.0


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_three_planes_that_follow_the_pictures_channels_are_a_picture(layout: str, tmp_path: Path) -> None:
    shape = [1, 3, 24, 32] if layout == "NCHW" else [1, 24, 32, 3]
    graph = helper.make_graph(
        [helper.make_node("Sin", ["image"], ["y"])],
        "clearer",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    source = tmp_path / "a.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), source)
    with pytest.raises(InputError, match="its planes follow the channels"):
        imported(source)
    assert not source.with_name("made.onnx").exists()
    assert imported(source, role="logits").agreement == 1.0


@pytest.mark.parametrize(
    ("kind", "said"),
    [(TensorProto.DOUBLE, "in numbers of 64 bits .*float32"), (TensorProto.BFLOAT16, "in bfloat16 .*")],
)
def test_a_graph_in_numbers_that_no_backend_takes_is_told_so(kind: int, said: str, tmp_path: Path) -> None:
    source = ending(tmp_path / "a.onnx")
    model = onnx.load(source)
    model.graph.input[0].type.tensor_type.elem_type = kind
    model.graph.output[0].type.tensor_type.elem_type = kind
    weights = model.graph.initializer[0]
    numbers = numpy_helper.to_array(weights)
    weights.CopyFrom(helper.make_tensor("weights", kind, numbers.shape, numbers.ravel().tolist()))
    onnx.save(model, source)
    with pytest.raises(InputError, match=f"computes {said}"):
        imported(source)
