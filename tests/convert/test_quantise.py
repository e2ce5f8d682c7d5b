from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.cli import main
from streamseg.convert.importer import Hints, import_model
from streamseg.convert.quantise import Runtime, quantise
from streamseg.errors import InputError
from streamseg.infer.model.catalogue import find_model, load_spec
from tests.parts import toy_models

PERSON = find_model("person")


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photograph")
    person = np.ascontiguousarray(data.astronaut()[..., ::-1])
    return [person, np.ascontiguousarray(person[:, ::-1]), person[100:, 60:], cv2.convertScaleAbs(person, alpha=0.6)]


@pytest.mark.parametrize("runtime", ["cpu", "tensorrt"])
def test_a_network_keeps_its_labels_in_eight_bits(runtime: Runtime, pictures: list[np.ndarray], tmp_path: Path) -> None:
    assert PERSON is not None
    done = quantise(PERSON, tmp_path / "small.onnx", pictures, runtime)
    assert done.agreement > 0.95
    spec = load_spec(done.file)
    assert (spec.name, spec.classes) == ("small", load_spec(PERSON).classes)


def test_for_tensorrt_everything_is_signed_and_symmetric(pictures: list[np.ndarray], tmp_path: Path) -> None:
    assert PERSON is not None
    graph = onnx.load(quantise(PERSON, tmp_path / "small.onnx", pictures, "tensorrt").file).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert len(nodes) > 20
    assert all(values[node.input[2]].dtype == np.int8 and not values[node.input[2]].any() for node in nodes)


def test_the_command_says_what_came_of_it(
    pictures: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture)
    assert main(["quantise", "person", str(tmp_path), str(tmp_path / "out" / "small.onnx")]) == 0
    told = capsys.readouterr().out
    assert "of the labels as before" in told
    small = tmp_path / "out" / "small.onnx"
    before = small.read_bytes()
    assert main(["quantise", "person", str(tmp_path), str(small), "--for", "tensorrt"]) == 4
    assert "small.onnx: exists (--overwrite replaces it)" in capsys.readouterr().err
    assert main(["quantise", str(small), str(tmp_path), str(small), "--overwrite"]) == 2
    assert "would overwrite the model itself" in capsys.readouterr().err
    assert small.read_bytes() == before
    assert main(["quantise", "person", str(tmp_path), str(small), "--for", "tensorrt", "--overwrite"]) == 0
    assert small.read_bytes() != before
    assert list(small.parent.iterdir()) == [small]


def test_what_cannot_be_done_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    (tmp_path / "empty").mkdir()
    for words in (["person", str(tmp_path / "empty")], [str(tmp_path / "junk.onnx"), str(tmp_path)]):
        assert main(["quantise", *words, str(tmp_path / "x.onnx")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(InputError, match="not an ONNX model"):
        quantise(tmp_path / "junk.onnx", tmp_path / "x.onnx", [np.zeros((9, 9, 3), np.uint8)], "cpu")


def three_layers(path: Path, opset: int) -> Path:
    """As exporters of the time of `opset` write it: up to 8 weights are inputs, too, and scales attributes."""
    random = np.random.default_rng(0)
    shapes = {"w1": (8, 3, 3, 3), "w2": (8, 8, 3, 3), "w3": (5, 8, 1, 1)}
    weights = [numpy_helper.from_array(random.normal(0, 0.3, shapes[name]).astype(np.float32), name) for name in shapes]
    larger = helper.make_node("Upsample", ["c2"], ["u"], scales=[1.0, 1.0, 2.0, 2.0])
    if opset >= 11:
        weights.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))
        larger = helper.make_node("Resize", ["c2", "scales", "scales"], ["u"], mode="nearest")
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        larger,
        helper.make_node("Conv", ["u", "w3"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 96])]
    if opset < 9:
        inputs += [helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)) for each in weights]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5, 64, 96])]
    graph = helper.make_graph(nodes, "three layers", inputs, outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3 if opset < 9 else 6)
    onnx.save(made, path)
    return path


@pytest.mark.parametrize("runtime", ["cpu", "tensorrt"])
@pytest.mark.parametrize("opset", [7, 11, 12, 13])
def test_a_network_of_any_opset_keeps_its_labels(
    opset: int, runtime: Runtime, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    model = import_model(three_layers(tmp_path / "a.onnx", opset), tmp_path / "b.onnx", Hints(normalise="imagenet"))
    done = quantise(model.file, tmp_path / "small.onnx", pictures, runtime)
    assert done.agreement > 0.95
    kinds = [node.op_type for node in onnx.load(done.file).graph.node]
    assert kinds.count("QuantizeLinear") >= 2


def test_what_has_nothing_to_quantise_is_refused(pictures: list[np.ndarray], tmp_path: Path) -> None:
    assert PERSON is not None
    one = import_model(toy_models.segmenter(tmp_path / "a.onnx"), tmp_path / "b.onnx", Hints(normalise="imagenet")).file
    small = quantise(PERSON, tmp_path / "small.onnx", pictures, "cpu").file
    for file in (one, small):
        with pytest.raises(InputError, match="onnx: nothing to quantise: no layer in floats"):
            quantise(file, tmp_path / "smaller.onnx", pictures, "cpu")
    assert not (tmp_path / "smaller.onnx").exists()


def test_what_is_written_can_be_run_from_there(pictures: list[np.ndarray], tmp_path: Path) -> None:
    assert PERSON is not None
    for name in ("small", "small.pt"):
        with pytest.raises(InputError, match=f"{name}: a model's name ends in .onnx"):
            quantise(PERSON, tmp_path / name, pictures, "cpu")
    (tmp_path / "small.yaml").write_text("classes: [a, b]\noutputs: {logits: y}\n")
    with pytest.raises(
        InputError, match="small.yaml: counts before what is written into small.onnx, and does not fit it"
    ):
        quantise(PERSON, tmp_path / "small.onnx", pictures, "cpu")
    assert [each.name for each in tmp_path.iterdir()] == ["small.yaml"]
