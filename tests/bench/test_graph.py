from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from streamseg.bench.graph import Bare, fix_size, for_ultralytics, take_apart
from streamseg.convert.surgery import LABELS, OutputPlan, graft
from streamseg.errors import InputError
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo
from streamseg.segmentation import Classes
from tests.parts import toy_models

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def imported(folder: Path, kind: str = "logits", **spec: Any) -> Path:
    """The toy network with normalisation before it and a decision behind it."""
    source = toy_models.segmenter(folder / "source.onnx", kind=kind)  # type: ignore[arg-type]
    shape = (1, 5, 24, 32) if kind == "logits" else (1, 1, 24, 32)
    plan = OutputPlan(TensorInfo("scores", shape, np.dtype("float32")), kind, 1, False)  # type: ignore[arg-type]
    onnx.save(graft(onnx.load(source), InputSpec(**spec), plan), folder / "made.onnx")
    return folder / "made.onnx"


def run(file: Path, values: Any) -> Any:
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: values})[0]


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_what_normalises_is_read_from_the_graph(colour: str, tmp_path: Path) -> None:
    bare = take_apart(imported(tmp_path, colour=colour, mean=MEAN, std=STD), LABELS, tmp_path / "bare.onnx")
    assert bare.rgb == (colour == "rgb")
    assert bare.mean == pytest.approx(MEAN, rel=1e-3)
    assert bare.std == pytest.approx(STD, rel=1e-3)
    assert (bare.decision, bare.file) == ("argmax", tmp_path / "bare.onnx")


def by_hand(bare: Bare, picture: Any) -> Any:
    values = picture[..., ::-1] if bare.rgb else picture
    scores = run(bare.file, ((values - bare.mean) / bare.std).astype(np.float32).transpose(0, 3, 1, 2))
    return scores.argmax(1) if bare.decision == "argmax" else scores > 0.5


@pytest.mark.parametrize("kind", ["logits", "probability"])
def test_the_part_in_the_middle_done_by_hand_gives_what_the_whole_gives(kind: str, tmp_path: Path) -> None:
    file = imported(tmp_path, kind, mean=MEAN, std=STD)
    bare = take_apart(file, LABELS, tmp_path / "bare.onnx")
    assert bare.decision == ("argmax" if kind == "logits" else "threshold")
    picture = np.random.default_rng(0).integers(0, 256, (1, 24, 32, 3), dtype=np.uint8)
    whole = run(file, picture)
    assert (by_hand(bare, picture).reshape(whole.shape) == whole).mean() > 0.99


@pytest.mark.parametrize("kind", ["logits", "probability"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_ultralytics_gets_a_network_that_gives_the_same_labels(kind: str, colour: str, tmp_path: Path) -> None:
    file = imported(tmp_path, kind, colour=colour, mean=MEAN, std=STD)
    bare = take_apart(file, LABELS, tmp_path / "bare.onnx")
    classes = Classes(("floor", "thing"), np.zeros((2, 3), np.uint8))
    size = for_ultralytics(bare, (24, 32), classes, tmp_path / "theirs.onnx")
    picture = np.random.default_rng(0).integers(0, 256, (1, 24, 32, 3), dtype=np.uint8)
    labels = run(tmp_path / "theirs.onnx", picture[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255)
    whole = run(file, picture)
    assert labels.shape == (1, *whole.shape[-2:]) == (1, *size)
    assert (labels.reshape(whole.shape) == whole).mean() > 0.99
    about = ort.InferenceSession(str(tmp_path / "theirs.onnx")).get_modelmeta().custom_metadata_map
    assert (about["task"], about["imgsz"]) == ("semantic", "[24, 32]")
    assert about["names"] == "{0: 'floor', 1: 'thing'}"


def test_a_graph_that_does_not_decide_or_has_no_layer_is_refused(tmp_path: Path) -> None:
    plain = toy_models.segmenter(tmp_path / "plain.onnx")
    with pytest.raises(InputError, match="no convolution between its picture and a decision"):
        take_apart(plain, "scores", tmp_path / "bare.onnx")
    with pytest.raises(InputError, match="no convolution"):
        take_apart(imported(tmp_path), "nothing of that name", tmp_path / "bare.onnx")


def test_a_graph_of_free_sides_is_made_one_of_a_size(tmp_path: Path) -> None:
    source = toy_models.segmenter(tmp_path / "a.onnx", layout="NHWC", batch=None, size=(None, None))
    fix_size(source, (40, 48), tmp_path / "b.onnx")
    (taken,) = ort.InferenceSession(str(tmp_path / "b.onnx")).get_inputs()
    assert taken.shape == [1, 40, 48, 3]
    picture = np.random.default_rng(0).random((1, 40, 48, 3), np.float32)
    assert run(tmp_path / "b.onnx", picture) == pytest.approx(run(source, picture), abs=1e-5)


def test_a_graph_that_takes_no_picture_is_refused(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    port = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3]) for name in "xy"]
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "flat", port[:1], port[1:]), opset_imports=opset)
    onnx.save(model, tmp_path / "flat.onnx")
    with pytest.raises(InputError, match="does not take one picture"):
        fix_size(tmp_path / "flat.onnx", (4, 4), tmp_path / "b.onnx")
