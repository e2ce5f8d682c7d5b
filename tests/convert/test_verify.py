from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from streamseg.convert.inputs import Probe
from streamseg.convert.surgery import OutputPlan, graft
from streamseg.convert.verify import Agreement, agreement, reference_labels
from streamseg.errors import InputError
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo
from tests.parts import toy_models

IMAGENET = InputSpec(name="image", height=24, width=32, mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4))
SEEN = Probe((1, 3, 24, 32), (24, 32), {})
LOGITS = OutputPlan(TensorInfo("scores", (1, 5, 24, 32), np.dtype("float32")), "logits", 1, False)


class Fixed:
    """A backend that gives what a test wants, and keeps what it was fed."""

    name, inputs, outputs = "fixed", (), ()

    def __init__(self, scores: NDArray[Any]) -> None:
        self._scores = scores
        self.fed: dict[str, NDArray[Any]] = {}

    def run(self, feeds: Any) -> dict[str, NDArray[Any]]:
        self.fed = dict(feeds)
        return {"scores": self._scores}

    def close(self) -> None:
        pass


def imported(folder: Path, as_if: InputSpec) -> tuple[Backend, Path]:
    """The toy network, and itself with what `as_if` says grafted onto it."""
    source = toy_models.segmenter(folder / "a.onnx")
    onnx.save(graft(onnx.load(source), as_if, LOGITS), folder / "b.onnx")
    return open_backend(source, 1, "ort-cpu"), folder / "b.onnx"


def test_an_import_that_was_done_right_agrees_on_every_pixel(tmp_path: Path) -> None:
    original, file = imported(tmp_path, IMAGENET)
    assert agreement(original, file, IMAGENET, LOGITS, SEEN) == Agreement(1.0, 4, 0.0)


@pytest.mark.parametrize(
    "wrong",
    [{"colour": "bgr"}, {"mean": (0.0,)}, {"std": (1.0,)}, {"mean": IMAGENET.mean[::-1]}],
    ids=["channels", "mean", "deviation", "means in another order"],
)
def test_an_import_that_was_done_wrong_is_refused_with_its_share(wrong: dict[str, Any], tmp_path: Path) -> None:
    said = {name: getattr(IMAGENET, name) for name in IMAGENET.__struct_fields__}
    original, file = imported(tmp_path, InputSpec(**{**said, **wrong}))
    with pytest.raises(InputError, match=r"other labels than the model itself on \d+\.\d\d% of the pixels"):
        agreement(original, file, IMAGENET, LOGITS, SEEN)


def reference(
    scores: NDArray[Any], role: Any, axis: int | None, *, sigmoid: bool = False
) -> tuple[list[Any], NDArray[Any]]:
    plan = OutputPlan(TensorInfo("scores", scores.shape, scores.dtype), role, axis, sigmoid)
    pictures = np.zeros((1, 1, 2, 3), np.uint8)
    labels, margin = reference_labels(Fixed(scores), pictures, InputSpec(name="image"), plan)
    assert labels.dtype == np.uint8
    return labels.tolist(), margin


def test_the_textbook_takes_the_best_class_and_tells_how_near_the_next_one_was() -> None:
    scores = np.array([[[[0.0, 1.0]], [[3.0, 1.0]], [[2.0, -1.0]]]], np.float32)
    labels, margin = reference(scores, "logits", 1)
    assert labels == [[[1, 0]]]
    assert margin[0, 0, 0] > 0
    last = np.moveaxis(scores, 1, 3)
    assert reference(last, "logits", 3)[0] == labels


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize(("role", "sigmoid"), [("logits", False), ("probability", False), ("probability", True)])
def test_scores_that_are_no_numbers_are_refused(wrong: float, role: str, sigmoid: bool) -> None:
    scores = np.array([[[[0.0, wrong]]] * (2 if role == "logits" else 1)], np.float32).reshape(1, -1, 1, 2)
    with pytest.raises(InputError, match="gives no numbers.*'scores'.*--normalise"):
        reference(scores, role, 1, sigmoid=sigmoid)


def test_the_logarithm_of_nothing_is_a_score() -> None:
    scores = np.array([[[[-np.inf, 0.0]], [[-1.0, -np.inf]]]], np.float32)
    labels, margin = reference(scores, "logits", 1)
    assert labels == [[[1, 0]]]
    assert (margin > 1e-4).all()


def test_a_tie_has_no_margin() -> None:
    scores = np.array([[[[1.0, 0.0]], [[1.0, 9.0]]]], np.float32)
    assert reference(scores, "logits", 1)[1][0, 0, 0] == 0


def test_labels_are_themselves_and_never_a_tie() -> None:
    labels, margin = reference(np.array([[[4, 7]]], np.int64), "labels", None)
    assert labels == [[[4, 7]]]
    assert (margin == 1).all()
    assert reference(np.array([[[[4, 7]]]], np.int64), "labels", 1)[0] == [[[4, 7]]]


def test_a_probability_is_a_class_above_one_half() -> None:
    labels, margin = reference(np.array([[[[0.4, 0.9, 0.5]]]], np.float32), "probability", 1)
    assert labels == [[[0, 1, 0]]]
    assert margin[0, 0].tolist() == pytest.approx([0.1, 0.4, 0.0])
    labels, margin = reference(np.array([[[-9.0, 0.1, 2.0]]], np.float32), "probability", None, sigmoid=True)
    assert labels == [[[0, 1, 1]]]
    assert margin[0, 0, 2] == pytest.approx(1 / (1 + np.exp(-2.0)) - 0.5)


def test_a_picture_is_fed_in_the_order_and_the_numbers_that_the_network_wants() -> None:
    bgr, labels = np.array([[[[10, 20, 30], [0, 0, 255]]]], np.uint8), np.zeros((1, 1, 2), np.int64)
    plan = OutputPlan(TensorInfo("scores", (1, 1, 2), np.dtype("int64")), "labels", None, False)
    taken = InputSpec(name="x", mean=(30.0, 20.0, 10.0), std=(1.0, 2.0, 5.0))
    backend = Fixed(labels)
    reference_labels(backend, bgr, taken, plan)
    assert backend.fed["x"].shape == (1, 3, 1, 2)
    assert backend.fed["x"].dtype == np.float32
    assert backend.fed["x"][0, :, 0].tolist() == [[0, 225], [0, -10], [0, -2]]
    reference_labels(backend, bgr, InputSpec(name="x", layout="NHWC", colour="bgr", dtype="uint8"), plan)
    assert backend.fed["x"].dtype == np.uint8
    assert (backend.fed["x"] == bgr).all()


def test_rounding_may_turn_a_tie_and_is_told_as_a_share(tmp_path: Path) -> None:
    """Two classes of one and the same score: whoever gives the other one is no worse."""
    source = toy_models.segmenter(tmp_path / "a.onnx", classes=2)
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).copy()
        values[1] = values[0]
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(model, source)
    plan = replace(LOGITS, info=TensorInfo("scores", (1, 2, 24, 32), np.dtype("float32")))
    done = graft(model, IMAGENET, plan)
    decided = next(node for node in done.graph.node if node.op_type == "ArgMax")
    decided.attribute.append(onnx.helper.make_attribute("select_last_index", 1))
    onnx.save(done, tmp_path / "b.onnx")
    assert agreement(open_backend(source, 1, "ort-cpu"), tmp_path / "b.onnx", IMAGENET, plan, SEEN).share == 0.0
