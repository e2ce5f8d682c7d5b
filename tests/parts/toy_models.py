"""Small ONNX files made in code: honest networks in every shape, and hostile ones."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Side = int | None
_TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def segmenter(
    path: Path,
    *,
    layout: Literal["NCHW", "NHWC"] = "NCHW",
    batch: Side = 1,
    size: tuple[Side, Side] = (24, 32),
    channels: int = 3,
    classes: int = 5,
    kind: Literal["logits", "labels", "probability", "raw"] = "logits",
    dtype: str = "float32",
    stride: int = 1,
    opset: int = 17,
    second_output: bool = False,
) -> Path:
    """One 3x3 convolution with fixed weights; `raw` is one plane before its sigmoid, `probability` one after it."""
    planes = 1 if kind in ("probability", "raw") else classes
    weights = np.random.default_rng(planes).normal(0, 0.1, (planes, channels, 3, 3)).astype(np.float32)
    bias = np.linspace(-0.2, 0.2, planes, dtype=np.float32)
    nodes: list[onnx.NodeProto] = []
    last = "image"

    def add(op: str, *more: str, **attributes: Any) -> None:
        nonlocal last
        nodes.append(helper.make_node(op, [last, *more], [f"n{len(nodes)}"], **attributes))
        last = f"n{len(nodes) - 1}"

    if layout == "NHWC":
        add("Transpose", perm=[0, 3, 1, 2])
    if dtype != "float32":
        add("Cast", to=TensorProto.FLOAT)
    add("Conv", "weights", "bias", pads=[1, 1, 1, 1], strides=[stride, stride])
    if kind == "probability":
        add("Sigmoid")
    if kind == "labels":
        add("ArgMax", axis=1, keepdims=0)
    elif layout == "NHWC":
        add("Transpose", perm=[0, 2, 3, 1])
    if dtype == "float16" and kind != "labels":
        add("Cast", to=TensorProto.FLOAT16)
    nodes[-1].output[0] = "scores"
    out_type = TensorProto.INT64 if kind == "labels" else _TYPES["float16" if dtype == "float16" else "float32"]
    rows, columns = (side and -(-side // stride) for side in size)
    output = [batch, rows, columns] if kind == "labels" else _ordered(layout, batch, planes, rows, columns)
    outputs = [_port("scores", out_type, output)]
    if second_output:
        nodes.append(helper.make_node("Identity", ["scores"], ["other"]))
        outputs.append(_port("other", out_type, output))
    graph = helper.make_graph(
        nodes,
        "toy",
        [_port("image", _TYPES[dtype], _ordered(layout, batch, channels, *size))],
        outputs,
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    return _save(path, graph, opset)


def constant(
    path: Path,
    outputs: dict[str, NDArray[Any]],
    size: tuple[int, int] = (64, 64),
    metadata: dict[str, str] | None = None,
    *,
    batch: bool = True,
) -> Path:
    """Gives the same outputs for every picture, (1, 3, H, W) f32, as a network of an exporter may."""
    nodes = [helper.make_node("Identity", [f"{name}_value"], [name]) for name in outputs]
    graph = helper.make_graph(
        nodes,
        "constant",
        [_port("images", TensorProto.FLOAT, [*([1] if batch else []), 3, *size])],
        [
            _port(name, helper.np_dtype_to_tensor_dtype(value.dtype), list(value.shape))
            for name, value in outputs.items()
        ],
        [numpy_helper.from_array(value, f"{name}_value") for name, value in outputs.items()],
    )
    _save(path, graph, 17)
    model = onnx.load(path)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def looking(path: Path, outputs: dict[str, NDArray[Any]], metadata: dict[str, str], *, batch: Side = 1) -> Path:
    """The same outputs for every picture of (batch, 3, 64, 64) f32, but out of layers that look at it.

    With a free batch each output has as many rows as there are pictures.
    """
    random = np.random.default_rng(7)
    constants = {
        "w1": random.normal(0, 0.1, (8, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.1, (4, 8, 3, 3)).astype(np.float32),
        "zero": np.zeros((4, 1), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "w1"], ["c1"], strides=[4, 4]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "zero"], ["nothing"]),
    ]
    for name, value in outputs.items():
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        constants |= {f"{name}_value": value, f"{name}_axes": np.array([-1] + [1] * (value.ndim - 1))}
        nodes += [
            helper.make_node("Reshape", ["nothing", f"{name}_axes"], [f"{name}_nothing"]),
            helper.make_node("Cast", [f"{name}_nothing"], [f"{name}_typed"], to=kind),
            helper.make_node("Add", [f"{name}_typed", f"{name}_value"], [name]),
        ]
    ports = [
        _port(
            name,
            helper.np_dtype_to_tensor_dtype(value.dtype),
            [None if batch is None else value.shape[0], *value.shape[1:]],
        )
        for name, value in outputs.items()
    ]
    graph = helper.make_graph(
        nodes,
        "looking",
        [_port("images", TensorProto.FLOAT, [batch, 3, 64, 64])],
        ports,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    _save(path, graph, 17)
    model = onnx.load(path)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def giving(path: Path, outputs: Mapping[str, Sequence[int]], size: tuple[int, int] = (256, 256)) -> Path:
    """Gives noise in outputs of these shapes."""
    random = np.random.default_rng(0)
    return constant(path, {name: random.normal(0, 1, shape).astype("f4") for name, shape in outputs.items()}, size)


def external(path: Path, location: str) -> Path:
    """A model whose weights are said to lie at `location`."""
    raw = onnx.load(segmenter(path))
    weights = next(tensor for tensor in raw.graph.initializer if tensor.name == "weights")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    path.write_bytes(raw.SerializeToString())
    return path


def weights_bytes() -> bytes:
    """What `external`'s file has to hold."""
    return np.random.default_rng(5).normal(0, 0.1, (5, 3, 3, 3)).astype(np.float32).tobytes()


def huge(path: Path) -> Path:
    """Asks for 57 GB in under 200 bytes."""
    nodes = [helper.make_node("ConstantOfShape", ["sides"], ["scores"])]
    sides = numpy_helper.from_array(np.array([1, 5, 53_000, 53_000], np.int64), "sides")
    graph = helper.make_graph(
        nodes,
        "huge",
        [_port("image", TensorProto.FLOAT, [1, 3, 24, 32])],
        [_port("scores", TensorProto.FLOAT, [None] * 4)],
        [sides],
    )
    return _save(path, graph, 17)


def picky(path: Path) -> Path:
    """Runs on pictures of 64x64; its sizes are declared free, and on any other it fails."""
    model = onnx.load(segmenter(path, size=(None, None)))
    model.graph.node[-1].output[0] = "any"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 1, 64, 64), np.float32), "only"))
    model.graph.node.append(helper.make_node("Add", ["any", "only"], ["scores"]))
    onnx.save(model, path)
    path.with_suffix(".yaml").write_text(
        "classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {stride: 8, side: 64}\n"
    )
    return path


def foreign_operator(path: Path) -> Path:
    """Needs an operator from a custom library."""
    graph = helper.make_graph(
        [helper.make_node("Mystery", ["image"], ["scores"], domain="somebody")],
        "foreign",
        [_port("image", TensorProto.FLOAT, [1, 3, 24, 32])],
        [_port("scores", TensorProto.FLOAT, [1, 5, 24, 32])],
    )
    return _save(path, graph, 17, "somebody")


def mutated(raw: bytes, seed: int) -> bytes:
    """`raw` with a few bytes changed; every fourth time some cut out or doubled."""
    chance = random.Random(seed)
    data = bytearray(raw)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data))
        length = chance.randint(1, 8)
        kind = chance.randrange(3) if seed % 4 == 0 else 0
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at : at + length]
        else:
            data[at:at] = data[at : at + length]
    return bytes(data)


def _ordered(layout: str, batch: Side, channels: int, rows: Side, columns: Side) -> list[Side]:
    return [batch, channels, rows, columns] if layout == "NCHW" else [batch, rows, columns, channels]


def _port(name: str, kind: int, shape: Sequence[Side]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [side or f"{name}_{i}" for i, side in enumerate(shape)])


def _save(path: Path, graph: onnx.GraphProto, opset: int, *domains: str) -> Path:
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
