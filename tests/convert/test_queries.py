"""Semantic networks of queries: a class and a mask each, in the form that Hugging Face's export has."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from streamseg.convert.importer import Hints, import_model
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.backends import open_backend
from tests.parts import toy_models

RANDOM = np.random.default_rng(2)
QUERIES, CLASSES, SIDE = 12, 5, 64


def logits() -> dict[str, NDArray[np.float32]]:
    small = RANDOM.normal(0, 4, (QUERIES, 5, 5)).astype(np.float32)
    masks = np.stack([cv2.resize(each, (16, 16), interpolation=cv2.INTER_CUBIC) for each in small])
    return {
        "class_queries_logits": RANDOM.normal(0, 3, (1, QUERIES, CLASSES + 1)).astype(np.float32),
        "masks_queries_logits": masks[None],
    }


def textbook(outputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    """(C, h, w): each query's shares of the classes, times where it is."""
    powers = np.exp(outputs["class_queries_logits"][0].astype(np.float64))
    shares = powers / powers.sum(1, keepdims=True)
    planes = 1 / (1 + np.exp(-outputs["masks_queries_logits"][0].astype(np.float64)))
    summed: NDArray[np.float64] = np.einsum("qc,qhw->chw", shares[:, :CLASSES], planes)
    return summed


@pytest.mark.parametrize("upsample", ["yes", "no"])
def test_queries_become_a_plane_for_each_class(tmp_path: Path, upsample: str) -> None:
    outputs = logits()
    source = toy_models.constant(tmp_path / "toy.onnx", outputs, (SIDE, SIDE))
    made = import_model(source, tmp_path / "made.onnx", Hints(normalise="imagenet", upsample=upsample))  # type: ignore[arg-type]
    assert made.agreement == 1.0
    assert len(made.spec.classes) == CLASSES
    onnx.checker.check_model(onnx.load(made.file), full_check=True)
    planes = textbook(outputs)
    if upsample == "yes":
        planes = np.stack([cv2.resize(plane, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) for plane in planes])
    (found,) = load_segmenter(str(made.file)).make(1)([Frame(np.zeros((SIDE, SIDE, 3), np.uint8), 0, 0.0, 0.0)])
    assert found.labels.shape == planes.shape[1:]
    assert (found.labels == planes.argmax(0)).mean() > 0.999
    assert len(np.unique(found.labels)) > 2


def of_any_size(path: Path, outputs: dict[str, NDArray[np.float32]]) -> Path:
    """The same classes for every picture, and masks that are made of it, a quarter of its size."""
    weights = RANDOM.normal(0, 1, (QUERIES, 3, 4, 4)).astype(np.float32)
    classes, masks = outputs
    nodes = [
        onnx.helper.make_node("Conv", ["pixel_values", "weights"], [masks], strides=[4, 4]),
        onnx.helper.make_node("Identity", ["classes"], [classes]),
    ]
    sides: dict[str, list[int | str]] = {
        "pixel_values": [1, 3, "height", "width"],
        masks: [1, QUERIES, "rows", "columns"],
    }
    sides[classes] = [1, QUERIES, CLASSES + 1]
    ports = {name: onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, each) for name, each in sides.items()}
    constants = {"weights": weights, "classes": outputs[classes]}
    graph = onnx.helper.make_graph(
        nodes,
        "toy",
        [ports.pop("pixel_values")],
        list(ports.values()),
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("upsample", ["yes", "no"])
@pytest.mark.parametrize("backend", ["ort-cpu", "openvino"])
def test_queries_of_a_network_of_free_size(tmp_path: Path, upsample: Literal["yes", "no"], backend: str) -> None:
    outputs = logits()
    source = of_any_size(tmp_path / "toy.onnx", outputs)
    hints = Hints(normalise="0..1", upsample=upsample)
    made = import_model(source, tmp_path / "made.onnx", hints)
    assert made.agreement == 1.0
    image = RANDOM.integers(0, 256, (384, 512, 3), np.uint8)  # as large as a network of free size sees it
    fed = (image[..., ::-1].astype(np.float32) / 255).transpose(2, 0, 1)[None]
    given = open_backend(source, 1, "ort-cpu").run({"pixel_values": fed})
    planes = textbook({name: np.asarray(value, np.float32) for name, value in given.items()})
    if upsample == "yes":
        planes = np.stack([cv2.resize(plane, (512, 384), interpolation=cv2.INTER_LINEAR) for plane in planes])
    (found,) = load_segmenter(str(made.file), backend=backend).make(1)([Frame(image, 0, 0.0, 0.0)])
    assert found.labels.shape == planes.shape[1:]
    assert (found.labels == planes.argmax(0)).mean() > 0.999
    assert len(np.unique(found.labels)) > 2


def test_outputs_of_inner_layers_are_left_out(tmp_path: Path) -> None:
    outputs = logits() | {"hidden": np.zeros((1, QUERIES, 32), np.float32)}
    source = toy_models.constant(tmp_path / "toy.onnx", outputs, (SIDE, SIDE))
    made = import_model(source, tmp_path / "made.onnx", Hints(normalise="imagenet"))
    assert len(made.spec.classes) == CLASSES


def test_masks_that_are_not_the_pictures_are_refused(tmp_path: Path) -> None:
    outputs = logits()
    outputs["masks_queries_logits"] = outputs["masks_queries_logits"][..., :9]
    source = toy_models.constant(tmp_path / "toy.onnx", outputs, (SIDE, SIDE))
    with pytest.raises(InputError, match="MaskFormer|no segmentation"):
        import_model(source, tmp_path / "made.onnx", Hints(normalise="imagenet"))
