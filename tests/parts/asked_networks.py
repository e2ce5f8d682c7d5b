"""Encoders and decoders in the form of SAM and of SAM 2, made in code: they tell red from green, or fill a box."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 256
_LOW = SIDE // 4
_F = TensorProto.FLOAT
Form = Literal["sam", "sam2"]


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def __call__(self, op: str, *inputs: str | float | list[Any], to: str = "", **more: Any) -> str:
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        to = to or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [to], **more))
        return to

    def constant(self, value: object) -> str:
        array = np.array(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def save(self, path: Path, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> Path:
        told = [
            [helper.make_tensor_value_info(name, _F, shape) for name, shape in each.items()]
            for each in (inputs, outputs)
        ]
        graph = helper.make_graph(self.nodes, "asked", told[0], told[1], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path


def _embeddings(form: Form) -> dict[str, list[Any]]:
    name = "image_embeddings" if form == "sam" else "image_embed"
    found: dict[str, list[Any]] = {name: [1, 1, _LOW, _LOW]}
    if form == "sam2":
        found |= {"high_res_feats_0": [1, 1, _LOW * 2, _LOW * 2], "high_res_feats_1": [1, 1, _LOW, _LOW]}
    return found


def encoder(path: Path, form: Form) -> Path:
    """+1 where the picture is red, -1 where it is green."""
    add = _Graph()
    std, mean = np.array([58.395, 57.12, 57.375]), np.array([123.675, 116.28, 103.53])
    weights = np.array([1.0, -1.0, 0.0]) * std
    red = add("Conv", "image", weights.reshape(1, 3, 1, 1).tolist(), [float(mean[0] - mean[1])])
    sure = add("Tanh", add("Mul", red, 0.2))
    (first, *_) = _embeddings(form)
    add("AveragePool", sure, to=first, kernel_shape=[4, 4], strides=[4, 4])
    if form == "sam2":
        add("AveragePool", sure, to="high_res_feats_0", kernel_shape=[2, 2], strides=[2, 2])
        add("Identity", first, to="high_res_feats_1")
    return add.save(path, {"image": [1, 3, SIDE, SIDE]}, _embeddings(form))


def decoder(path: Path, form: Form, points: int | str = "points", *, more: str = "") -> Path:
    """Two masks, of which it thinks better of the second: what is as red as the points of label 1 and not as those of
    label 0; or what is between the corners of a box. `more` is an input that no encoder gives."""
    add = _Graph()
    (features, *_) = embeddings = _embeddings(form)
    grid = add("Sub", add("Mul", add("Add", "point_coords", 0.5), 2 / SIDE), 1.0)
    here = add("GridSample", features, add("Unsqueeze", grid, [2]), align_corners=0)  # (1, 1, points, 1)
    unlike = add("Abs", add("Sub", add("Reshape", features, [1, 1, 1, _LOW * _LOW]), here))

    def labelled(label: float) -> str:
        there = add("Less", add("Abs", add("Sub", "point_labels", label)), 0.5)
        return add("Unsqueeze", _cast(add, there), [2])  # (1, points, 1)

    signs = add("Unsqueeze", add("Sub", labelled(1.0), labelled(0.0)), [1])
    alike = add("ReduceSum", add("Mul", add("Relu", add("Sub", 1.0, unlike)), signs), [2], keepdims=0)
    colour = add("Mul", add("Sub", add("Reshape", alike, [1, 1, _LOW, _LOW]), 0.5), 20.0)

    def corner(label: float) -> str:
        return add("ReduceSum", add("Mul", add("Add", "point_coords", 0.5), labelled(label)), [1], keepdims=1)

    centres = (np.arange(_LOW) + 0.5) * 4
    grid_xy = np.stack(np.meshgrid(centres, centres), -1).reshape(1, -1, 2).tolist()
    inside = add("Min", add("Sub", grid_xy, corner(2.0)), add("Sub", corner(3.0), grid_xy))  # (1, pixels, 2)
    box = add("Reshape", add("ReduceMin", inside, axes=[2], keepdims=0), [1, 1, _LOW, _LOW])
    boxed = add("Reshape", add("ReduceSum", labelled(2.0), [1, 2], keepdims=0), [1, 1, 1, 1])
    answer = add("Add", add("Mul", box, boxed), add("Mul", colour, add("Sub", 1.0, boxed)))
    known = add("Mul", "mask_input", add("Reshape", "has_mask_input", [1, 1, 1, 1]))
    answer = add("Add", answer, add("Mul", known, 0.1))
    low = add("Concat", add("Sub", 0.0, answer), answer, to="low_res_masks" if form == "sam" else "masks", axis=1)
    add("Reshape", add.constant([0.2, 0.8]), [1, 2], to="iou_predictions")
    inputs: dict[str, list[Any]] = {
        **embeddings,
        "point_coords": [1, points, 2],
        "point_labels": [1, points],
        "mask_input": [1, 1, _LOW, _LOW],
        "has_mask_input": [1],
    }
    outputs: dict[str, list[Any]] = {low: [1, 2, _LOW, _LOW], "iou_predictions": [1, 2]}
    if form == "sam":
        inputs["orig_im_size"] = [2]
        add("Identity", low, to="masks")
        outputs = {"masks": [1, 2, _LOW, _LOW], **outputs}
    if more:
        inputs[more] = [1, 64]
    return add.save(path, inputs, outputs)


def _cast(add: _Graph, name: str) -> str:
    to = f"n{len(add.nodes)}"
    add.nodes.append(helper.make_node("Cast", [name], [to], to=_F))
    return to


def pair(folder: Path, form: Form) -> tuple[str, str]:
    """The files of both."""
    return str(encoder(folder / "encoder.onnx", form)), str(decoder(folder / "decoder.onnx", form))
