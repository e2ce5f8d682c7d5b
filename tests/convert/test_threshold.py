"""Planes of sigmoids, of which several or none may be there: the surest above a threshold, else the background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper

from streamseg.convert.chain import PICTURE
from streamseg.convert.importer import Hints, import_model
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from tests.parts import toy_models

LOGITS = np.random.default_rng(4).normal(-0.5, 2, (1, 3, 16, 16)).astype(np.float32)


def planes(path: Path, *, opset: int = 17, sigmoid: bool = True) -> Path:
    """Three planes of a network that was trained for each class by itself."""
    toy_models.constant(path, {"scores": LOGITS})
    model = onnx.load(path)
    if sigmoid:
        model.graph.node[0].output[0] = "raw"
        model.graph.node.append(helper.make_node("Sigmoid", ["raw"], ["scores"]))
    model.opset_import[0].version = opset
    onnx.save(model, path)
    return path


def expected(threshold: float, size: int) -> NDArray[np.intp]:
    raw = np.stack([cv2.resize(plane, (size, size), interpolation=cv2.INTER_LINEAR) for plane in LOGITS[0]])
    shares = 1 / (1 + np.exp(-raw))
    return np.where(shares.max(0) > threshold, shares.argmax(0) + 1, 0)


@pytest.mark.parametrize("opset", [9, 17])
def test_what_no_class_is_sure_of_is_background(tmp_path: Path, opset: int) -> None:
    hints = Hints(normalise="0..1", threshold=0.7, classes=("crack", "rust", "paint"), upsample="no")
    made = import_model(planes(tmp_path / "toy.onnx", opset=opset), tmp_path / "made.onnx", hints)
    assert made.agreement == 1.0
    assert made.spec.classes == ("background", "crack", "rust", "paint")
    assert made.spec.background == 0
    assert "3 planes of sigmoids above 0.7, else the background" in made.assumed
    (found,) = load_segmenter(str(made.file)).make(1)([Frame(np.zeros((64, 64, 3), np.uint8), 0, 0.0, 0.0)])
    assert (found.labels == expected(0.7, 16)).all()
    assert len(np.unique(found.labels)) == 4


def test_logits_go_through_a_sigmoid_first_once_they_are_enlarged(tmp_path: Path) -> None:
    hints = Hints(normalise="0..1", threshold=0.5)
    made = import_model(planes(tmp_path / "toy.onnx", sigmoid=False), tmp_path / "made.onnx", hints)
    assert "through a sigmoid above 0.5" in made.assumed
    (found,) = load_segmenter(str(made.file)).make(1)([Frame(np.zeros((64, 64, 3), np.uint8), 0, 0.0, 0.0)])
    assert (found.labels == expected(0.5, 64)).mean() > 0.999


def test_without_a_threshold_a_class_is_everywhere_which_is_said(tmp_path: Path) -> None:
    made = import_model(planes(tmp_path / "toy.onnx"), tmp_path / "made.onnx", Hints(normalise="0..1"))
    assert len(made.spec.classes) == 3
    assert "--threshold 0.5" in made.assumed


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 1.0, None])
@pytest.mark.parametrize("kind", ["probability", "raw"])
def test_one_plane_is_cut_at_its_threshold(kind: Any, threshold: float | None, tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx", kind=kind)
    hints = Hints(normalise="-1..1", threshold=threshold, role=None if kind == "probability" else "logits")
    made = import_model(source, tmp_path / "made.onnx", hints)
    assert made.agreement == 1.0 and made.spec.classes == ("background", "object")
    assert (threshold is None) != (f"above {threshold}".removesuffix(".0") in made.assumed)
    picture = np.random.default_rng(2).integers(0, 256, (1, 24, 32, 3), dtype=np.uint8)
    values = ((picture[..., ::-1].astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)
    (plane,) = ort.InferenceSession(source).run(None, {"image": values})
    share = plane[:, 0] if kind == "probability" else 1 / (1 + np.exp(-plane[:, 0]))
    model = onnx.load(made.file)
    onnx.checker.check_model(model, full_check=True)
    labels, sure = ort.InferenceSession(made.file).run(None, {PICTURE: picture})
    cut = 0.5 if threshold is None else threshold
    np.testing.assert_array_equal(labels, share > cut)
    span = np.where(share > cut, max(1 - cut, 1e-6), max(cut, 1e-6))
    np.testing.assert_allclose(sure, np.clip(127.5 + 127.5 * np.abs(share - cut) / span, 0, 255), atol=1)


def test_class_ids_have_no_threshold(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "toy.onnx", kind="labels")
    with pytest.raises(InputError, match="output 'scores' holds class ids, and no scores") as caught:
        import_model(source, tmp_path / "made.onnx", Hints(normalise="0..1", threshold=0.3))
    assert caught.value.hint == "without --threshold"
