"""Graphs of 8 bits at their ends, as tf2onnx makes them of TensorFlow Lite's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamseg.convert.importer import Hints, import_model
from streamseg.errors import InputError
from streamseg.infer.backends import open_backend
from tests.parts import toy_models

KINDS = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}
ZERO = {"uint8": 128, "int8": 3}


def quantised(path: Path, given: str, *, taken: str = "", scales: int = 1) -> Path:
    """The toy of five classes whose scores are of 8 bits, `given`, channels last; its picture, too, where `taken`."""
    model = onnx.load(toy_models.segmenter(path))
    graph = model.graph

    def add(kind: str, scale: float, zero: int, name: str, n: int = 1) -> list[str]:
        scaled = np.full(n, scale, np.float32) if n > 1 else np.float32(scale)
        zeros = np.full(n, zero, kind) if n > 1 else np.array(zero, kind)
        graph.initializer.append(numpy_helper.from_array(np.asarray(scaled), f"{name}_scale"))
        graph.initializer.append(numpy_helper.from_array(zeros, f"{name}_zero"))
        return [f"{name}_scale", f"{name}_zero"]

    steps = add(given, 0.004, ZERO[given], "given", scales)
    graph.node[-1].output[0] = "plain"
    graph.node.append(helper.make_node("QuantizeLinear", ["plain", *steps], ["whole"], axis=1))
    graph.node.append(helper.make_node("Transpose", ["whole"], ["scores"], perm=[0, 2, 3, 1]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("scores", KINDS[given], [1, 24, 32, 5]))
    if taken:
        graph.node[0].input[0] = "picture"
        graph.node.insert(
            0, helper.make_node("DequantizeLinear", ["image", *add(taken, 1 / 255, -128, "taken")], ["picture"])
        )
        graph.input[0].type.tensor_type.elem_type = KINDS[taken]
    onnx.save(model, path)
    return path


def run(file: Path, picture: NDArray[np.generic]) -> NDArray[np.generic]:
    backend = open_backend(file, 1, "ort-cpu")
    (result,) = backend.run({backend.inputs[0].name: picture}).values()
    backend.close()
    return np.asarray(result)


@pytest.mark.parametrize(("given", "taken"), [("uint8", ""), ("int8", ""), ("int8", "int8")])
def test_scores_and_pictures_of_8_bits_are_read(given: str, taken: str, tmp_path: Path) -> None:
    source = quantised(tmp_path / "toy.onnx", given, taken=taken)
    made = import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1"))
    assert made.agreement == 1.0 and len(made.spec.classes) == 5
    picture = np.random.default_rng(3).integers(0, 256, (1, 24, 32, 3), np.uint8)
    planes = picture[..., ::-1].transpose(0, 3, 1, 2)
    fed = (planes.astype(np.int16) - 128).astype(np.int8) if taken else planes.astype(np.float32) / np.float32(255)
    expected = run(source, fed)
    assert expected.dtype == given and len(np.unique(expected.argmax(-1))) > 1
    np.testing.assert_array_equal(run(made.file, picture), expected.argmax(-1))


def test_a_scale_for_each_class_is_still_refused(tmp_path: Path) -> None:
    source = quantised(tmp_path / "toy.onnx", "uint8", scales=5)
    with pytest.raises(InputError, match="holds 5 planes of whole numbers"):
        import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1"))
