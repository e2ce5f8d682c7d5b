"""Graphs of networks that remember, in the form in which they are exported."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

Sides = list[int | str | None]
node = helper.make_node


def save(path: Path, nodes: list[onnx.NodeProto], inputs: dict[str, Sides], outputs: dict[str, Sides]) -> Path:
    constants = {"half": [0.5], "low": [0.0], "high": [1.0], "scales": [1.0, 1.0, 2.0, 2.0]}
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, [] if len(each) == 1 else [len(each)], each)
        for name, each in constants.items()
    ]
    given, found = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name, sides in named.items()]
        for named in (inputs, outputs)
    )
    graph = helper.make_graph(nodes, "memory", given, found, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def matting(path: Path, picture: Sides | None = None, batch: int = 1) -> Path:
    """As Robust Video Matting is exported: states of one pixel that are repeated at strides of 2 to 16, and a ratio."""
    picture = picture or [batch, 3, "height", "width"]
    nodes = [node("ReduceMean", ["src"], ["grey"], axes=[1], keepdims=1)]
    for i in range(1, 5):
        side = [2**i] * 2
        nodes += [
            node("AveragePool", ["grey"], [f"pooled{i}"], kernel_shape=side, strides=side),
            node("Shape", [f"pooled{i}"], [f"shape{i}"]),
            node("Expand", [f"r{i}i", f"shape{i}"], [f"large{i}"]),
            node("Add", [f"pooled{i}", f"large{i}"], [f"sum{i}"]),
            node("Mul", [f"sum{i}", "half"], [f"r{i}o"]),
        ]
    nodes += [
        node("Resize", ["r1o", "", "scales"], ["large"], mode="nearest"),
        node("Mul", ["large", "downsample_ratio"], ["less"]),
        node("Div", ["less", "downsample_ratio"], ["matte"]),
        node("Clip", ["matte", "low", "high"], ["pha"]),
        node("Clip", ["src", "low", "high"], ["fgr"]),
    ]
    inputs: dict[str, Sides] = {"src": picture}
    inputs |= {f"r{i}i": [batch, f"c{i}", f"h{i}", f"w{i}"] for i in range(1, 5)}
    inputs["downsample_ratio"] = [1]
    outputs: dict[str, Sides] = {"fgr": picture, "pha": [batch, 1, *picture[2:]]}
    return save(path, nodes, inputs, outputs | {f"r{i}o": [batch, None, None, None] for i in range(1, 5)})
