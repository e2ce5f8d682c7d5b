from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from streamseg.cli import main
from streamseg.convert.quantise import Runtime, quantise
from streamseg.errors import InputError
from streamseg.infer.model.catalogue import find_model, load_spec

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
