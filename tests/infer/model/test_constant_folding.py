from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from streamseg.convert.quantise import quantise
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.model.constant_folding import fold_constants
from streamseg.infer.model.onnxfile import model_sha256
from tests.convert.test_quantise import three_layers
from tests.parts.toy_models import segmenter


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A model whose weights are in a file of their own, as torch's exporter writes them."""
    (tmp_path / "model").mkdir()
    file = segmenter(tmp_path / "model" / "toy.onnx")
    file.with_suffix(".yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255]}\n")
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="toy.data", size_threshold=0)
    assert (tmp_path / "model" / "toy.data").stat().st_size > 500
    return file


def test_a_model_with_weights_beside_it_is_folded_into_one_that_has_them_inside(beside: Path, tmp_path: Path) -> None:
    fold_constants(beside, folded := tmp_path / "folded.onnx")
    feeds = {"image": np.random.default_rng(0).random((1, 3, 24, 32), np.float32)}
    expected = OrtBackend(beside, 1).run(feeds)["scores"]
    for file in beside.parent.iterdir():
        file.unlink()
    np.testing.assert_allclose(OrtBackend(folded, 1).run(feeds)["scores"], expected, atol=1e-6)


def test_a_model_with_weights_beside_it_is_quantised(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    file = three_layers(tmp_path / "model" / "toy.onnx", 13)
    file.with_suffix(".yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: y}\ninput: {std: [255]}\n")
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="toy.data", size_threshold=100)
    assert (tmp_path / "model" / "toy.data").stat().st_size > 500
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    done = quantise(file, tmp_path / "small.onnx", [picture], "tensorrt")
    assert done.agreement > 0.5
    assert done.bytes_before == file.stat().st_size + (tmp_path / "model" / "toy.data").stat().st_size


def test_the_digest_of_a_model_is_that_of_its_weights_as_well(beside: Path) -> None:
    before = model_sha256(beside)
    weights = beside.with_name("toy.data")
    weights.write_bytes(weights.read_bytes()[::-1])
    assert model_sha256(beside) != before
