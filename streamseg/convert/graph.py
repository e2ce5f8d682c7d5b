"""A graph with its weights, and what it shows of how an output came about."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.errors import InputError
from streamseg.infer.model.onnxfile import inferred, load_onnx

if TYPE_CHECKING:
    import onnx

_PASSING = (
    "Identity", "Cast", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Resize", "Upsample", "Slice",
    "Gather", "Split", "DequantizeLinear", "QuantizeLinear",
)  # fmt: skip
SQUASHING = ("Sigmoid", "HardSigmoid", "Softmax")
"""Operators that give shares of 1."""
_NUMBERS = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}
"""What a Constant may hold instead of a tensor."""
_ROWS_OF = ("Softmax", "Sigmoid", "Identity", "Cast", "Gather", "Slice", "Concat", "Split", "Squeeze")


def whole_model(source: Path) -> onnx.ModelProto:
    """The checked model with all its weights in it."""
    import onnx

    model = load_onnx(source)
    try:
        onnx.load_external_data_for_model(model, str(source.parent))
    except Exception as error:  # of several unrelated classes
        raise InputError(f"{source}: its external data cannot be read: {str(error).splitlines()[0]}") from None
    return model


def maker(model: onnx.ModelProto, output: str) -> str:
    """The operator that gave `output` its values, past those that only move or convert them; empty for an input.

    What a sigmoid or a softmax gave may have been clipped a little within its range, which changes no more.
    """
    node = _behind(model, output)
    if node is not None and node.op_type == "Clip":
        squashing = _behind(model, node.input[0])
        node = squashing if squashing is not None and squashing.op_type in SQUASHING else node
    return node.op_type if node is not None else ""


def clipped_to_shares(model: onnx.ModelProto, output: str) -> bool:
    """Whether `output` was cut to 0..1, as mattes are."""
    import onnx

    node = _behind(model, output)
    if node is None or node.op_type != "Clip":
        return False
    limits = {attribute.name: attribute.f for attribute in node.attribute}  # before opset 11
    known = constants(model)
    for word, name in zip(("min", "max"), node.input[1:], strict=False):
        if name in known and known[name].data_location == 0:
            limits[word] = float(onnx.numpy_helper.to_array(known[name]).reshape(-1)[0])
    return (limits.get("min"), limits.get("max")) == (0, 1)


def nodes_by_output(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """Each node by the names of what it gives."""
    return {name: node for node in model.graph.node for name in node.output}


def constants(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """All tensors of fixed numbers in the graph, by their names."""
    import onnx

    found = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute:
            value = onnx.helper.get_attribute_value(node.attribute[0])
            word = node.attribute[0].name
            if word == "value":
                found[node.output[0]] = value
            elif word in _NUMBERS:
                found[node.output[0]] = onnx.numpy_helper.from_array(np.asarray(value, _NUMBERS[word]))
    return found


def axis_names(model: onnx.ModelProto, port: str) -> tuple[str, ...]:
    """Of the sides of the input `port`: what the exporter called those that are free, and the number of the others."""
    (value,) = (value for value in model.graph.input if value.name == port)
    return tuple(dim.dim_param or str(dim.dim_value or "free") for dim in value.type.tensor_type.shape.dim)


def argmax_channels(source: Path, output: str) -> int | None:
    """How many planes the ArgMax behind `output` of the model `source` chooses from; None where that is not shown."""
    model = inferred(load_onnx(source))
    node = _behind(model, output)
    if node is None or node.op_type != "ArgMax":
        return None
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    shapes = {value.name: value.type.tensor_type.shape.dim for value in (*model.graph.value_info, *model.graph.input)}
    dims = shapes.get(node.input[0])
    if not dims or not -len(dims) <= axis < len(dims):
        return None
    return int(dims[axis].dim_value) or None


def score_classes(source: Path, scores: str) -> tuple[int | None, bool]:
    """How many classes the nearest Softmax or Sigmoid behind the output `scores` of the model `source` tells apart.

    And whether it is a Sigmoid. None where the graph does not show it. Each object's score is picked from an array
    whose last axis they are.
    """
    model = inferred(load_onnx(source))
    makers = nodes_by_output(model)
    shapes = {value.name: value.type.tensor_type.shape.dim for value in model.graph.value_info}
    waiting, met = deque([scores]), {scores}
    while waiting:
        node = makers.get(waiting.popleft())
        if node is None:
            continue
        if node.op_type in ("Softmax", "Sigmoid"):
            last = _last_side(node.output[0], makers, shapes)
            if last != 1:  # 1: how well a box is centred (FCOS)
                return last or None, node.op_type == "Sigmoid"
        waiting.extend(name for name in node.input if name not in met)
        met.update(node.input)
    return None, False


def _last_side(name: str, makers: Mapping[str, onnx.NodeProto], shapes: Mapping[str, Any]) -> int:
    """Of an array of two axes or more, or of what its rows were picked from; 0 where that is unknown."""
    while len(dims := shapes.get(name, ())) > 1:
        node = makers.get(name)
        if dims[-1].dim_value or node is None or node.op_type not in _ROWS_OF:
            return int(dims[-1].dim_value)
        name = node.input[0]
    return 0


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the graph is written in."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def in_halves(model: onnx.ModelProto) -> bool:
    """Whether any of the graph is computed in numbers of 16 bits."""
    import onnx

    return _computes_in(model, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


def in_doubles(model: onnx.ModelProto) -> bool:
    """Whether any of the graph is computed in numbers of 64 bits."""
    import onnx

    return _computes_in(model, onnx.TensorProto.DOUBLE)


def in_bfloats(model: onnx.ModelProto) -> bool:
    """Whether any of the graph is computed in bfloat16."""
    import onnx

    return _computes_in(model, onnx.TensorProto.BFLOAT16)


def _computes_in(model: onnx.ModelProto, *kinds: int) -> bool:
    ports = (*model.graph.input, *model.graph.output)
    return any(
        kind in kinds
        for kind in (
            *(tensor.data_type for tensor in model.graph.initializer),
            *(port.type.tensor_type.elem_type for port in ports),
            *(attribute.i for node in model.graph.node if node.op_type == "Cast" for attribute in node.attribute),
        )
    )


def way_back(model: onnx.ModelProto, output: str) -> list[onnx.NodeProto]:
    """The nodes from `output` back to the one that gave it its values; the others only move or convert them.

    Empty where they are an input's.
    """
    makers = nodes_by_output(model)
    way, node = [], makers.get(output)
    while node is not None:
        way.append(node)
        if node.op_type not in _PASSING or not node.input:
            return way
        node = makers.get(node.input[0])
    return []


def _behind(model: onnx.ModelProto, output: str) -> onnx.NodeProto | None:
    return next(reversed(way_back(model, output)), None)
