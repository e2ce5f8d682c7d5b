from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.convert.importer import Hints, import_model
from streamseg.convert.scaling import scale_inside
from streamseg.errors import InputError


def scaling(path: Path, *operators: tuple[str, list[float]], folded: bool = False) -> Path:
    """Two of the picture's planes behind these operators, in the form of Keras' Rescaling: casts, then constants."""
    nodes = [helper.make_node("Cast", ["picture"], ["0"], to=TensorProto.FLOAT)]
    weights = [numpy_helper.from_array(np.array([0, 2], np.int64), "order")]
    for i, (operator, values) in enumerate(operators):
        shape = (1, -1, 1, 1) if len(values) > 1 else ()
        constant = numpy_helper.from_array(np.array(values, np.float32).reshape(shape), f"constant{i}")
        if folded:
            weights.append(constant)
        else:
            nodes.append(helper.make_node("Constant", [], [f"constant{i}"], value=constant))
        nodes.append(helper.make_node(operator, [str(i), f"constant{i}"], [str(i + 1)]))
    nodes.append(helper.make_node("Gather", [str(len(operators)), "order"], ["planes"], axis=1))
    sides = [1, 3, 32, 32]
    graph = helper.make_graph(
        nodes,
        "scaling",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [1, 2, 32, 32])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


IMAGENET, DEVIATIONS = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
BYTES, SHARES, UNKNOWN = Hints(normalise="none"), Hints(normalise="0..1"), Hints()


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        ([("Mul", [1 / 255])], BYTES),
        ([("Mul", [1 / 127.5]), ("Add", [-1])], BYTES),
        ([("Div", [255])], BYTES),
        ([("Sub", [90.0, 100.0, 110.0])], BYTES),
        ([("Sub", [123.675, 116.28, 103.53])], Hints(normalise="none", colour="rgb")),
        ([("Sub", [103.939, 116.779, 123.68])], Hints(normalise="none", colour="bgr")),
        ([("Div", [255]), ("Sub", IMAGENET), ("Div", DEVIATIONS)], Hints(normalise="none", colour="rgb")),
        ([("Sub", IMAGENET), ("Div", DEVIATIONS)], Hints(normalise="0..1", colour="rgb")),
        ([("Sub", IMAGENET), ("Mul", [1 / 0.229, 1 / 0.224, 1 / 0.225])], Hints(normalise="0..1", colour="rgb")),
        ([("Sub", IMAGENET[::-1]), ("Div", DEVIATIONS[::-1])], Hints(normalise="0..1", colour="bgr")),
        ([("Mul", [255]), ("Sub", [123.675, 116.28, 103.53])], Hints(normalise="0..1", colour="rgb")),
        ([("Mul", [2]), ("Sub", [1])], SHARES),
        ([("Sub", [0.5]), ("Div", [0.5])], SHARES),
        ([("Mul", [0.5])], UNKNOWN),
        ([("Mul", [255])], UNKNOWN),
        ([("Sub", [0.3, 0.4, 0.5]), ("Div", DEVIATIONS)], UNKNOWN),
        ([("Sub", [0.0])], UNKNOWN),
        ([("Div", DEVIATIONS)], UNKNOWN),
        ([("Add", [1.0]), ("Mul", [1 / 255])], UNKNOWN),
        ([("Mul", [-1 / 255])], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_a_graph_shows_what_it_takes_by_what_it_does_first(
    tmp_path: Path, operators: list[tuple[str, list[float]]], expected: Hints, folded: bool
) -> None:
    model = onnx.load(scaling(tmp_path / "model.onnx", *operators, folded=folded))
    assert scale_inside(model, "picture") == expected
    assert scale_inside(model, "other") == UNKNOWN


def test_a_graph_that_scales_by_itself_needs_no_flag(tmp_path: Path) -> None:
    made = import_model(scaling(tmp_path / "model.onnx", ("Mul", [1 / 255])), tmp_path / "made.onnx")
    assert "as bytes, 0 to 255" in made.assumed
    assert "by what the graph does first" in made.assumed
    own = import_model(tmp_path / "model.onnx", tmp_path / "own.onnx", Hints(normalise="0..1"))
    assert "as 0 to 1" in own.assumed
    with pytest.raises(InputError, match="normali"):
        import_model(scaling(tmp_path / "other.onnx", ("Mul", [0.5])), tmp_path / "third.onnx")


def test_a_graph_that_normalises_by_itself_is_not_fed_what_is_normalised_already(tmp_path: Path) -> None:
    source = scaling(tmp_path / "model.onnx", ("Sub", IMAGENET[::-1]), ("Div", DEVIATIONS[::-1]))
    for i, hints in enumerate((Hints(), Hints(preset="hf"))):
        made = import_model(source, tmp_path / f"made{i}.onnx", hints)
        assert "input BGR" in made.assumed
        assert "as 0 to 1" in made.assumed


def turned(model: onnx.ModelProto, way: str) -> onnx.ModelProto:
    """Puts what turns the order of the channels behind the first cast."""
    numbers = {
        "back": [2, 1, 0], "last": [-1], "end": [-(2**31)], "channels": [1], "rows": [2], "step": [-1],
    }  # fmt: skip
    for name, values in numbers.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    inputs = {"gather": ["0", "back"], "slice": ["0", "last", "end", "channels", "step"]}
    inputs["rows"] = ["0", "last", "end", "rows", "step"]
    node = helper.make_node("Gather" if way == "gather" else "Slice", inputs[way], ["turned"])
    if way == "gather":
        node.attribute.append(helper.make_attribute("axis", 1))
    for each in model.graph.node[1:]:
        for place, name in enumerate(each.input):
            each.input[place] = "turned" if name == "0" else name
    model.graph.node.insert(1, node)
    return model


@pytest.mark.parametrize(
    ("way", "operators", "expected"),
    [
        ("gather", [("Sub", [103.939, 116.779, 123.68])], Hints(normalise="none", colour="rgb")),
        ("slice", [("Sub", [103.939, 116.779, 123.68])], Hints(normalise="none", colour="rgb")),
        ("slice", [("Div", [255]), ("Sub", IMAGENET), ("Div", DEVIATIONS)], Hints(normalise="none", colour="bgr")),
        ("gather", [("Mul", [1 / 255])], BYTES),
        ("rows", [("Mul", [1 / 255])], UNKNOWN),
    ],
)
def test_a_graph_may_turn_the_channels_first(
    way: str, operators: list[tuple[str, list[float]]], expected: Hints, tmp_path: Path
) -> None:
    model = turned(onnx.load(scaling(tmp_path / "model.onnx", *operators)), way)
    onnx.checker.check_model(model, full_check=True)
    assert scale_inside(model, "picture") == expected


def test_a_look_at_the_pictures_size_is_none_at_its_values(tmp_path: Path) -> None:
    model = onnx.load(scaling(tmp_path / "model.onnx", ("Mul", [1 / 255])))
    model.graph.node.append(helper.make_node("Shape", ["picture"], ["sides"]))
    assert scale_inside(model, "picture") == BYTES


def test_a_constant_may_add_the_axis_of_pictures(tmp_path: Path) -> None:
    model = onnx.load(scaling(tmp_path / "model.onnx", ("Div", [255.0, 255.0, 255.0])))
    del model.graph.input[0].type.tensor_type.shape.dim[0]
    model.graph.node.insert(-1, helper.make_node("Transpose", ["1"], ["rows"], perm=[0, 2, 3, 1]))
    model.graph.node[-1].input[0] = "rows"
    model.graph.node[-1].attribute[0].i = 3
    for dim in model.graph.output[0].type.tensor_type.shape.dim:
        dim.Clear()
    onnx.checker.check_model(model, full_check=True)
    assert scale_inside(model, "picture") == BYTES
