"""What is a segmentation, and what only looks like one to a program that takes any array for a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.convert.importer import Hints, Imported, import_model
from streamseg.errors import InputError
from tests.parts import toy_models

ANY = Hints(normalise="0..1")


def imported(source: Path, hints: Hints = ANY) -> Imported:
    return import_model(source, source.with_name("made.onnx"), hints)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"y": (1, 1024, 20)}, r"'y' \(1, 1024, 20\) is no segmentation: .* proportions of the input 256x256"),
        ({"y": (1, 20, 1024)}, "is no segmentation"),
        ({"y": (1, 116, 1024), "p": (1, 32, 64, 64)}, "looks like YOLO segmentation of objects"),
        ({"flows": (1, 3, 256, 256), "style": (1, 256)}, "looks like Cellpose"),
        ({"labels": (1, 30), "boxes": (1, 30, 4), "scores": (1, 30)}, "looks like D-FINE or D-FINE-seg"),
        ({"l": (1, 30), "b": (1, 30, 4), "s": (1, 30), "m": (1, 30, 64, 64)}, "looks like D-FINE or D-FINE-seg"),
        ({"m": (30, 256, 256), "l": (30,), "s": (30,)}, "looks like a network that gives a plane for each object"),
        ({"m": (1, 30, 64, 64), "l": (1, 30), "s": (1, 30)}, "looks like a network that gives a plane for each object"),
        ({"d": (1, 30, 5), "l": (1, 30), "m": (1, 30, 28, 28)}, "looks like a detector of MMDetection"),
        ({"d": (1, 30, 5), "l": (1, 30)}, "looks like a detector of MMDetection"),
        ({"b": (11, 4), "l": (11,), "s": (11,), "k": (11, 17, 3), "p": (11, 17)}, "looks like a network for poses"),
        ({"y": (1, 1000)}, "is no segmentation"),
        ({"y": (1, 1000, 1, 1)}, "is no segmentation"),
        ({"y": (1, 5, 200, 256)}, "is no segmentation"),
        ({"y": (2, 5, 256, 256)}, "is no segmentation"),
        ({"y": (1, 300, 256, 256)}, "300 classes are beyond the 256"),
    ],
    ids=str,
)
def test_what_is_no_map_of_the_picture_is_refused_whatever_it_is_said_to_be(
    outputs: dict[str, Any], words: str, tmp_path: Path
) -> None:
    source = toy_models.giving(tmp_path / "a.onnx", outputs)
    for hints in (ANY, Hints(normalise="0..1", output=list(outputs)[-1])):
        with pytest.raises(InputError, match=words):
            imported(source, hints)
    assert [file.name for file in tmp_path.iterdir()] == ["a.onnx"]


def test_what_is_said_of_the_whole_picture_is_left_out(tmp_path: Path) -> None:
    made = imported(toy_models.giving(tmp_path / "a.onnx", {"mask": (1, 4, 256, 256), "label": (1, 4)}))
    assert made.assumed.startswith("output 'mask' (1, 4, 256, 256) (label left out): the highest of 4 planes")


@pytest.mark.parametrize("role", ["labels", "logits", "probability"])
def test_no_role_makes_a_picture_of_a_list(role: Any, tmp_path: Path) -> None:
    source = toy_models.giving(tmp_path / "a.onnx", {"y": (1, 1024, 20)})
    with pytest.raises(InputError, match="is no segmentation"):
        imported(source, Hints(normalise="0..1", role=role))


@pytest.mark.parametrize(
    ("shape", "size", "classes"),
    [
        ((1, 150, 64, 64), (256, 256), 150),
        ((1, 64, 64, 150), (256, 256), 150),
        ((1, 171, 32, 32), (256, 256), 171),
        ((1, 20, 20, 20), (160, 160), 20),
        ((1, 19, 7, 9), (25, 33), 19),
        ((1, 33, 57, 98), (33, 57), 98),
        ((5, 64, 64), (64, 64), 5),
        ((64, 48, 5), (64, 48), 5),
        ((1, 3, 5, 5), (129, 129), 3),
        ((1, 3, 128, 128), (500, 500), 3),
        ((1, 3, 37, 37), (518, 518), 3),
        ((1, 3, 256, 256), (128, 128), 3),
    ],
    ids=str,
)
def test_classes_are_the_axis_without_which_the_picture_remains(
    shape: tuple[int, ...], size: tuple[int, int], classes: int, tmp_path: Path
) -> None:
    made = imported(toy_models.giving(tmp_path / "a.onnx", {"y": shape}, size))
    assert len(made.spec.classes) == classes
    assert f"output 'y' {shape}: the highest of {classes} planes of logits" in made.assumed


@pytest.mark.parametrize(
    ("sides", "size"),
    [((388, 388), (572, 572)), ((104, 104), (128, 128)), ((52, 52), (128, 128)), ((72, 104), (96, 128))],
)
def test_a_map_of_the_middle_alone_is_refused(sides: tuple[int, int], size: tuple[int, int], tmp_path: Path) -> None:
    source = toy_models.giving(tmp_path / "a.onnx", {"y": (1, 2, *sides)}, size)
    with pytest.raises(InputError, match=f"is {sides[1]}x{sides[0]} of {size[1]}x{size[0]}: it covers only the middle"):
        imported(source)
    assert not (tmp_path / "made.onnx").exists()


def squeezed_range(path: Path, *nodes: tuple[str, float], name: str = "y") -> Path:
    """The mean of the picture's channels, through operators with a constant each; NaN: one without."""
    weights, made, last = [], [helper.make_node("ReduceMean", ["image"], ["n0"], axes=[1], keepdims=1)], "n0"
    for i, (op, value) in enumerate(nodes, 1):
        more = [] if np.isnan(value) else [f"c{i}"]
        weights += [numpy_helper.from_array(np.float32(value), each) for each in more]
        made.append(helper.make_node(op, [last, *more], [f"n{i}"]))
        last = f"n{i}"
    made[-1].output[0] = name
    ports = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 24, 32])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 24, 32])]
    graph = helper.make_graph(made, "range", ports, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([("Mul", 10), ("Add", 50)], r"gives 5\d(\.\d+)? to 5\d.*, not 0 to 1.*--role logits"),
        ([("Sub", 0.5), ("Tanh", np.nan)], r"gives -0\.\d+ to 0\.\d+, not 0 to 1.*where a sigmoid is missing"),
        ([("Sigmoid", np.nan), ("Mul", 255)], r"gives \d+ to \d+.*divide it by 255 before the export"),
    ],
    ids=["logits", "tanh", "bytes"],
)
def test_one_plane_that_is_not_0_to_1_is_no_probability(
    nodes: list[tuple[str, float]], words: str, tmp_path: Path
) -> None:
    source = squeezed_range(tmp_path / "a.onnx", *nodes)
    with pytest.raises(InputError, match=words):
        imported(source, Hints(normalise="0..1", role="probability"))
    assert not (tmp_path / "made.onnx").exists()


def ending(path: Path, *nodes: tuple[str, list[Any], dict[str, Any]], shape: tuple[int, ...] = (1, 24, 32)) -> Path:
    """Three planes of a convolution, then these operators with their further inputs."""
    random = np.random.default_rng(0)
    weights = [numpy_helper.from_array(random.normal(0, 0.01, (3, 3, 1, 1)).astype(np.float32), "w")]
    made, last = [helper.make_node("Conv", ["image", "w"], ["n0"])], "n0"
    for i, (op, more, attributes) in enumerate(nodes, 1):
        weights += [numpy_helper.from_array(np.array(value), f"c{i}_{j}") for j, value in enumerate(more)]
        made.append(helper.make_node(op, [last, *(f"c{i}_{j}" for j in range(len(more)))], [f"n{i}"], **attributes))
        last = f"n{i}"
    made[-1].output[0] = "y"
    ports = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 24, 32])]
    graph = helper.make_graph(
        made, "ending", ports, [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)], weights
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


SLICED: tuple[str, list[Any], dict[str, Any]] = ("Slice", [[1], [2], [1]], {})
PICKED: tuple[str, list[Any], dict[str, Any]] = ("Gather", [1], {"axis": 1})
CLIPPED: tuple[str, list[Any], dict[str, Any]] = ("Clip", [np.float32(1e-6), np.float32(0.999999)], {})


@pytest.mark.parametrize(
    "nodes",
    [
        [("Sigmoid", [], {}), SLICED, ("Squeeze", [[1]], {})],
        [("Sigmoid", [], {}), SLICED, ("Reshape", [[1, 24, 32]], {})],
        [("Sigmoid", [], {}), PICKED, CLIPPED],
        [("Softmax", [], {"axis": 1}), PICKED],
    ],
    ids=["slice, squeeze", "slice, reshape", "gather, clip", "of a softmax"],
)
def test_one_plane_picked_from_shares_is_a_probability(nodes: Any, tmp_path: Path) -> None:
    made = imported(ending(tmp_path / "a.onnx", *nodes))
    assert "one plane of 0..1, above a half" in made.assumed
    assert made.spec.classes == ("background", "object")


def test_a_plane_that_was_compared_is_one_of_labels(tmp_path: Path) -> None:
    nodes: Any = [("Sigmoid", [], {}), PICKED, ("Greater", [np.float32(0.5)], {}), ("Cast", [], {"to": 1})]
    made = imported(ending(tmp_path / "a.onnx", *nodes), Hints(normalise="0..1", classes=("crack",)))
    assert made.spec.classes == ("background", "crack")
    assert "class ids" in made.assumed


@pytest.mark.parametrize("kind", ["segformer", "upernet"])
def test_one_label_of_hugging_face_is_a_sigmoid_where_it_is_trained_as_one(kind: str, tmp_path: Path) -> None:
    source = ending(tmp_path / "a.onnx", PICKED)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "id2label": {"0": "crack"}}))
    if kind == "upernet":
        with pytest.raises(InputError, match="is one plane and does not show whether it is 0..1"):
            imported(source)
        return
    made = imported(source)
    assert "one plane of logits, above 0" in made.assumed
    assert made.spec.classes == ("background", "crack")


def test_of_two_axes_that_may_be_the_classes_the_usual_one_is(tmp_path: Path) -> None:
    source = toy_models.constant(tmp_path / "a.onnx", {"y": np.zeros((1, 5, 9, 15), np.float32)}, (33, 57))
    assert "the highest of 5 planes" in imported(source).assumed  # 5 and 9 are a seventh of 33 and 57, too


@pytest.mark.parametrize(("name", "held"), [("predicted_depth", "depth"), ("flow", "motion"), ("normals", "direction")])
def test_a_depth_is_no_segmentation(name: str, held: str, tmp_path: Path) -> None:
    source = squeezed_range(tmp_path / "a.onnx", ("Mul", 1), name=name)
    for role in ("probability", "logits", None):
        with pytest.raises(InputError, match=f"'{name}' is a {held} for each pixel, not a class"):
            imported(source, Hints(normalise="0..1", role=role))


def test_a_map_beside_other_things_is_taken_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    source = toy_models.giving(tmp_path / "a.onnx", {"scene": (1, 365), "y": (1, 5, 64, 64)})
    made = imported(source)
    assert "output 'y' (1, 5, 64, 64) (scene left out)" in made.assumed
    assert "at 1/4 (enlarged first)" in made.assumed


def test_a_hint_that_the_graph_contradicts_is_refused(tmp_path: Path) -> None:
    for kind, role in (
        ("probability", "logits"),
        ("probability", "labels"),
        ("logits", "labels"),
        ("labels", "logits"),
    ):
        source = toy_models.segmenter(tmp_path / "toy.onnx", kind=kind)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=f"cannot be {role}"):
            imported(source, Hints(normalise="0..1", role=role))  # type: ignore[arg-type]


def test_a_tensor_of_streamsegs_own_name_is_refused_in_words(tmp_path: Path) -> None:
    source = toy_models.giving(tmp_path / "a.onnx", {"streamseg_picture": (1, 5, 256, 256)})
    with pytest.raises(InputError, match="names of streamseg's own, such as 'streamseg_picture"):
        imported(source)
