"""A network with its normalisation before it and its decision behind it gives what NumPy makes of the bare one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from streamseg.convert.chain import PICTURE
from streamseg.convert.surgery import CONFIDENCE, LABELS, OutputPlan, graft
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo
from tests.parts import toy_models

IMAGENET: dict[str, Any] = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


def plan(role: Any, shape: tuple[int | None, ...], axis: int | None, dtype: str = "float32", **more: Any) -> OutputPlan:
    return OutputPlan(TensorInfo("scores", shape, np.dtype(dtype)), role, axis, more.get("sigmoid", False))


def pictures(batch: int = 1, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (batch, 24, 32, channels), dtype=np.uint8)


def run(model: onnx.ModelProto | Path, **feeds: NDArray[Any]) -> dict[str, NDArray[Any]]:
    raw = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
    session = ort.InferenceSession(raw, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def bare(source: Path, seen: NDArray[np.uint8], spec: InputSpec) -> NDArray[Any]:
    """The network's own answer to what NumPy makes of the pictures."""
    values: NDArray[Any] = seen[..., ::-1] if spec.colour == "rgb" else seen
    if spec.dtype != "uint8":
        values = (values.astype(np.float32) - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)
    if spec.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    return run(source, image=np.ascontiguousarray(values.astype(spec.dtype)))["scores"]


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("normalised", [{}, IMAGENET, {"mean": (127.5,)}, {"std": (255.0,)}], ids=str)
def test_bytes_go_in_and_the_best_class_comes_out(
    colour: Any, layout: Any, normalised: dict[str, Any], tmp_path: Path
) -> None:
    source = toy_models.segmenter(tmp_path / "a.onnx", layout=layout)
    spec = InputSpec(layout=layout, colour=colour, **normalised)
    axis, shape = (1, (1, 5, 24, 32)) if layout == "NCHW" else (3, (1, 24, 32, 5))
    done = graft(onnx.load(source), spec, plan("logits", shape, axis))
    onnx.checker.check_model(done, full_check=True)
    found = run(done, **{PICTURE: pictures()})
    assert list(found) == [LABELS]
    assert found[LABELS].dtype == np.uint8
    assert np.mean(found[LABELS] == bare(source, pictures(), spec).argmax(axis)) > 0.999


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_a_network_in_another_number_format_gets_its_own(dtype: Any, tmp_path: Path) -> None:
    source, spec = toy_models.segmenter(tmp_path / "a.onnx", dtype=dtype), InputSpec(dtype=dtype, colour="bgr")
    given = "float16" if dtype == "float16" else "float32"
    done = graft(onnx.load(source), spec, plan("logits", (1, 5, 24, 32), 1, given))
    found = run(done, **{PICTURE: pictures()})[LABELS]
    assert (found == bare(source, pictures(), spec).argmax(1)).mean() > 0.99


def test_a_grey_network_takes_one_channel(tmp_path: Path) -> None:
    source, spec = toy_models.segmenter(tmp_path / "a.onnx", channels=1), InputSpec(colour="grey", mean=(100.0,))
    done = graft(onnx.load(source), spec, plan("logits", (1, 5, 24, 32), 1))
    seen = pictures(channels=1)
    assert (run(done, **{PICTURE: seen})[LABELS] == bare(source, seen, spec).argmax(1)).all()


@pytest.mark.parametrize("kind", ["probability", "raw"])
def test_a_probability_gives_labels_and_how_sure_they_are(kind: Any, tmp_path: Path) -> None:
    source, spec = toy_models.segmenter(tmp_path / "a.onnx", kind=kind), InputSpec(std=(255.0,))
    done = graft(onnx.load(source), spec, plan("probability", (1, 1, 24, 32), 1, sigmoid=kind == "raw"))
    onnx.checker.check_model(done, full_check=True)
    found = run(done, **{PICTURE: pictures()})
    assert list(found) == [LABELS, CONFIDENCE]
    share = bare(source, pictures(), spec)[:, 0]
    if kind == "raw":
        share = 1 / (1 + np.exp(-share))
    assert (found[LABELS] == (share > 0.5)).mean() > 0.999
    assert 0 < found[LABELS].mean() < 1
    sure = np.maximum(share, 1 - share) * 255
    assert np.abs(found[CONFIDENCE] - sure).max() <= 0.51
    assert found[CONFIDENCE].min() >= 127


def test_labels_go_through_as_bytes(tmp_path: Path) -> None:
    source, spec = toy_models.segmenter(tmp_path / "a.onnx", kind="labels"), InputSpec()
    done = graft(onnx.load(source), spec, plan("labels", (1, 24, 32), None, "int64"))
    found = run(done, **{PICTURE: pictures()})[LABELS]
    assert (found == bare(source, pictures(), spec)).all()
    assert found.dtype == np.uint8


def test_free_sides_stay_free_and_have_names(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "a.onnx", batch=None, size=(None, None))
    done = graft(onnx.load(source), InputSpec(), plan("logits", (None, 5, None, None), 1))
    (picture,) = done.graph.input
    assert picture.name == PICTURE
    assert picture.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_param or dim.dim_value for dim in picture.type.tensor_type.shape.dim] == [
        "image_0", "image_2", "image_3", 3,
    ]  # fmt: skip
    (labels,) = done.graph.output
    assert [dim.dim_param for dim in labels.type.tensor_type.shape.dim] == ["image_0", "label_rows", "label_columns"]
    for batch in (1, 4):
        assert run(done, **{PICTURE: pictures(batch)})[LABELS].shape == (batch, 24, 32)


def test_other_outputs_are_left_out_and_the_model_that_was_given_is_as_it_was(tmp_path: Path) -> None:
    model = onnx.load(toy_models.segmenter(tmp_path / "a.onnx", second_output=True))
    before = model.SerializeToString()
    done = graft(model, InputSpec(), plan("logits", (1, 5, 24, 32), 1))
    assert [output.name for output in done.graph.output] == [LABELS]
    assert model.SerializeToString() == before


def test_a_graph_that_lists_its_weights_as_inputs_is_understood(tmp_path: Path) -> None:
    """As exporters before ONNX 1.4 wrote them."""
    model = onnx.load(toy_models.segmenter(tmp_path / "a.onnx"))
    for tensor in model.graph.initializer:
        value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.insert(0, value)
    done = graft(model, InputSpec(), plan("logits", (1, 5, 24, 32), 1))
    assert done.graph.input[0].name == PICTURE
    assert "image" not in [value.name for value in done.graph.input]


def test_an_old_graph_is_brought_up_to_where_shapes_are_fitted_as_numpy_does(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["image"], ["scores"])
    port = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 3, 24, 32]) for n in ("image", "scores")]
    graph = onnx.helper.make_graph([node], "old", port[:1], port[1:])
    old = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 6)], ir_version=3)
    done = graft(old, InputSpec(colour="bgr", **IMAGENET), plan("logits", (1, 3, 24, 32), 1))
    assert done.opset_import[0].version >= 7
    seen = pictures()
    values = (seen - np.array(IMAGENET["mean"], np.float32)) / np.array(IMAGENET["std"], np.float32)
    assert (run(done, **{PICTURE: seen})[LABELS] == np.maximum(values, 0).argmax(3)).all()


@pytest.mark.parametrize("ir_version", [3, 8])
def test_weights_that_are_inputs_become_constants(ir_version: int, tmp_path: Path) -> None:
    source = onnx.load(toy_models.segmenter(tmp_path / "a.onnx", opset=11))
    source.ir_version = ir_version
    for each in source.graph.initializer:
        source.graph.input.append(onnx.helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)))
    done = graft(source, InputSpec(std=(255.0,)), plan("logits", (1, 5, 24, 32), 1))
    assert [each.name for each in done.graph.input] == [PICTURE]
    onnx.checker.check_model(done, full_check=True)
    assert len(source.graph.input) == 3
