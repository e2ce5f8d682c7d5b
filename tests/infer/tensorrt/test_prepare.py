from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from streamseg.errors import InputError
from streamseg.infer.backends.tensorrt.prepare import Precision, prepare
from tests.parts.models import NETWORKS


def picture(height: int, width: int, channels: int) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (9, 12, channels), np.uint8)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.uint8).reshape(1, height, width, channels)


def run(model: bytes | str, feed: np.ndarray | None = None) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    size = [side if isinstance(side, int) else 256 for side in given.shape[1:4]]
    return [np.asarray(each) for each in session.run(None, {given.name: picture(*size) if feed is None else feed})]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("file", NETWORKS, ids=lambda file: file.stem)
def test_a_prepared_network_gives_the_same_answer(file: Path, precision: Precision) -> None:
    for before, after in zip(run(str(file)), run(prepare(file, precision)), strict=True):
        assert before.dtype == after.dtype
        assert before.shape == after.shape
        if before.dtype == np.uint8:
            assert np.mean(np.abs(before.astype(int) - after) > 2) < 0.01


@pytest.mark.parametrize("file", NETWORKS, ids=lambda file: file.stem)
def test_bytes_are_turned_into_numbers_at_once(file: Path) -> None:
    graph = onnx.load_from_string(prepare(file, "fp32")).graph
    (given,) = [value.name for value in graph.input]
    assert [node.op_type for node in graph.node if given in node.input] == ["Cast"]


@pytest.mark.parametrize("file", NETWORKS, ids=lambda file: file.stem)
def test_in_fp16_the_weights_are_halves(file: Path) -> None:
    graph = onnx.load_from_string(prepare(file, "fp16")).graph
    layers = {name for node in graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm") for name in node.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in layers]
    assert weights
    assert {tensor.data_type for tensor in weights} == {TensorProto.FLOAT16}


def shared_constant(path: Path) -> Path:
    """One constant for a node that is halved and one that is not, an output in the middle, a Cast by hand."""
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "two"], ["m"]),
        helper.make_node("Sigmoid", ["m"], ["s"]),
        helper.make_node("Max", ["s", "two"], ["y"]),
        helper.make_node("TopK", ["m", "k"], ["best", "where"]),
        helper.make_node("Add", ["best", "two"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "shared",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 8])],
        [
            helper.make_tensor_value_info("m", TensorProto.FLOAT, [1, 8]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 3]),
        ],
        [
            helper.make_tensor("two", TensorProto.FLOAT, [], [2.0]),
            helper.make_tensor("k", TensorProto.INT64, [1], [3]),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_a_constant_may_serve_both_precisions(tmp_path: Path) -> None:
    file = shared_constant(tmp_path / "shared.onnx")
    feed = np.arange(8, dtype=np.uint8)[None]
    for before, after in zip(run(str(file), feed), run(prepare(file, "fp16"), feed), strict=True):
        assert np.allclose(before, after, atol=0.01)


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(InputError, match="not an ONNX model"):
        prepare(tmp_path / "junk.onnx", "fp32")
