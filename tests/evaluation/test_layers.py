from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from streamseg.errors import InputError
from streamseg.evaluation.compare import Side
from streamseg.evaluation.layers import Watched, _difference, compare_layers, expose
from streamseg.infer.backends import open_backend
from tests.parts import toy_models
from tests.parts.fakes import frame

SPEC = "classes: [a, b, c, d, e]\noutputs: {logits: scores}\n"


def model(path: Path, scale: float = 1.0, **more: Any) -> Path:
    """The toy network with something behind its convolution; `scale` changes what that gives."""
    made = onnx.load(toy_models.segmenter(path, **more))
    made.graph.node[-1].output[0] = "conv"
    factor = onnx.numpy_helper.from_array(np.float32(scale), "factor")
    made.graph.initializer.append(factor)
    made.graph.node.append(onnx.helper.make_node("Mul", ["conv", "factor"], ["scaled"]))
    made.graph.node.append(onnx.helper.make_node("Relu", ["scaled"], ["scores"]))
    onnx.save(made, path)
    path.with_suffix(".yaml").write_text(SPEC)
    return path


def side(path: Path, backend: str = "ort-cpu") -> Side:
    return Side(path.stem, path, path, backend)


def compared(one: Path, other: Path, folder: Path) -> list[tuple[str, str, float]]:
    found = compare_layers(side(one), side(other), frame(0, value=90), folder, 1)
    return [(layer.name, layer.operator, layer.difference) for layer in found]


def test_every_value_on_the_way_becomes_an_output_and_says_who_made_it(tmp_path: Path) -> None:
    exposed, operators = expose(onnx.load(model(tmp_path / "a.onnx")))
    assert operators == {"conv": "Conv", "scaled": "Mul"}
    assert [output.name for output in exposed.graph.output] == ["scores", "conv", "scaled"]
    onnx.checker.check_model(exposed, full_check=True)


def test_what_is_no_float_and_what_only_converts_is_left_out(tmp_path: Path) -> None:
    _, operators = expose(onnx.load(model(tmp_path / "a.onnx", dtype="uint8")))
    assert "Cast" not in operators.values()


def test_a_model_is_like_itself_in_every_layer(tmp_path: Path) -> None:
    a = model(tmp_path / "a.onnx")
    assert compared(a, a, tmp_path) == [("conv", "Conv", 0.0), ("scaled", "Mul", 0.0)]


def test_two_models_differ_from_the_layer_on_in_which_they_do(tmp_path: Path) -> None:
    (_, _, first), (_, _, second) = compared(model(tmp_path / "a.onnx"), model(tmp_path / "b.onnx", 1.5), tmp_path)
    assert first == 0
    assert second == pytest.approx(0.5, abs=1e-5)


def test_layers_of_other_sizes_are_not_compared(tmp_path: Path) -> None:
    a, b = model(tmp_path / "a.onnx"), model(tmp_path / "b.onnx", stride=2)
    with pytest.raises(InputError, match="a and b have no layer in common"):
        compared(a, b, tmp_path)


def test_a_backend_that_fuses_its_layers_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    missing = tmp_path / "missing.onnx"
    with pytest.raises(InputError, match="tensorrt:fp16 fuses its layers and shows none") as caught:
        compare_layers(side(missing, "tensorrt:fp16"), side(missing), frame(0), tmp_path, 1)
    assert "ort-cpu" in caught.value.hint


def test_a_pass_can_be_looked_at_afterwards(tmp_path: Path) -> None:
    inner = open_backend(toy_models.segmenter(tmp_path / "a.onnx"), 1, "ort-cpu")
    watched = Watched(inner)
    assert (watched.name, watched.inputs, watched.outputs) == (inner.name, inner.inputs, inner.outputs)
    feeds = {"image": np.zeros((1, 3, 24, 32), np.float32)}
    given = watched.run(feeds)
    assert watched.fed is feeds
    assert watched.given is given
    watched.close()


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [([2.0, 2.0], [2.0, 2.0], 0.0), ([2.0, 2.0], [1.0, 3.0], 0.5), ([0.0, 0.0], [0.0, 0.0], 0.0), ([0.0], [9.0], 1.0)],
)
def test_a_difference_is_a_share_of_the_values(expected: list[float], found: list[float], difference: float) -> None:
    assert _difference(np.array(expected, np.float32), np.array(found, np.float32)) == pytest.approx(difference)
