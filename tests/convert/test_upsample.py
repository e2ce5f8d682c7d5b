"""Scores enlarged before the best is taken: the labels that frameworks give at the size of their input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from streamseg.convert.importer import Hints, import_model
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from tests.parts import toy_models

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)


def letterboxed(side: int, grey: int) -> tuple[NDArray[np.uint8], tuple[slice, slice]]:
    """By hand, in a square; and where the picture lies in it."""
    high = round(90 * side / 160)
    top = (side - high) // 2
    image = np.full((side, side, 3), grey, np.uint8)
    place = slice(top, top + high), slice(0, side)
    image[place] = cv2.resize(PICTURE, (side, high), interpolation=cv2.INTER_LINEAR)
    return image, place


def scores(source: Path, image: NDArray[np.uint8]) -> NDArray[Any]:
    session = ort.InferenceSession(str(source), providers=["CPUExecutionProvider"])
    values = (image[..., ::-1].astype(np.float32) / np.float32(255)).transpose(2, 0, 1)[None]
    found: NDArray[Any] = session.run(None, {"image": np.ascontiguousarray(values)})[0][0]
    return found


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("stride", [3, 4, 5, 8])
def test_a_letterbox_ends_where_the_frame_does_at_any_stride(stride: int, free: bool, tmp_path: Path) -> None:
    """In a graph of any size as well, whose sizes are computed when it runs."""
    size = (None, None) if free else (64, 64)
    source = toy_models.segmenter(tmp_path / "a.onnx", stride=stride, size=size)
    sides: dict[str, Any] = {"height": 64, "width": 64} if free else {}
    made = import_model(source, tmp_path / "b.onnx", Hints(preset="ultralytics", layout="NCHW", **sides))
    image, place = letterboxed(64, 114)
    large = np.array([cv2.resize(plane, (64, 64), interpolation=cv2.INTER_LINEAR) for plane in scores(source, image)])
    (found,) = load_segmenter(str(made.file)).make(1)([Frame(PICTURE, 0, 0.0, 0.0)])
    assert found.labels.shape == (36, 64)
    assert np.mean(found.labels == large.argmax(0)[place]) > 0.999


@pytest.mark.parametrize(("stride", "word", "size"), [(4, None, 64), (2, None, 32), (2, "yes", 64), (4, "no", 16)])
def test_scores_below_half_are_enlarged_unless_told_otherwise(
    stride: int, word: Any, size: int, tmp_path: Path
) -> None:
    source = toy_models.segmenter(tmp_path / "a.onnx", stride=stride, size=(64, 64))
    made = import_model(source, tmp_path / "b.onnx", Hints(preset="smp", upsample=word))
    (found,) = load_segmenter(str(made.file)).make(1)([Frame(PICTURE, 0, 0.0, 0.0)])
    assert found.labels.shape == (size, size)
    assert ("(enlarged first)" in made.assumed) == (size == 64)


def test_one_plane_keeps_its_confidence(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "a.onnx", kind="probability", stride=4, size=(64, 64))
    made = import_model(source, tmp_path / "b.onnx", Hints(preset="smp"))
    (found,) = load_segmenter(str(made.file)).make(1)([Frame(PICTURE, 0, 0.0, 0.0)])
    assert found.confidence is not None and found.confidence.shape == found.labels.shape == (64, 64)


def test_an_opset_that_cannot_is_left_as_it_is_or_refused(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "a.onnx", stride=4, size=(64, 64), opset=9)
    assert "at 1/4;" in import_model(source, tmp_path / "b.onnx", Hints(preset="smp")).assumed
    with pytest.raises(InputError, match="from opset 11 on"):
        import_model(source, tmp_path / "c.onnx", Hints(preset="smp", upsample="yes"))
