"""Pictures and scores in 8 bits, as converters of TensorFlow Lite leave them, in floats as everything else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

_MOVING = ("Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
_INNER = "/in_8_bits"


def with_floats(graph: onnx.GraphProto) -> bool:
    """Has outputs that end in a QuantizeLinear, and inputs of i8 that begin with a DequantizeLinear, in f32.

    Inputs of u8 stay as they are: they take a picture's bytes. False where nothing was changed.
    """
    import onnx

    whole = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
    outputs = [value for value in graph.output if value.type.tensor_type.elem_type in whole]
    inputs = [value for value in graph.input if value.type.tensor_type.elem_type == onnx.TensorProto.INT8]
    changed = [_wrapped(graph, value, _last_step(graph, value.name), last=True) for value in outputs]
    changed += [_wrapped(graph, value, _first_step(graph, value.name), last=False) for value in inputs]
    return any(changed)


def _last_step(graph: onnx.GraphProto, name: str) -> onnx.NodeProto | None:
    """The node that gave the output `name` its values, past those that only move them."""
    made_by = {output: node for node in graph.node for output in node.output}
    node = made_by.get(name)
    while node is not None and node.op_type in _MOVING:
        node = made_by.get(node.input[0])
    return node if node is not None and node.op_type == "QuantizeLinear" else None


def _first_step(graph: onnx.GraphProto, name: str) -> onnx.NodeProto | None:
    """The only node that reads the values of the input `name`, past those that only move them."""
    readers = [node for node in graph.node if name in node.input]
    while len(readers) == 1 and readers[0].op_type in _MOVING:
        readers = [node for node in graph.node if readers[0].output[0] in node.input]
    return readers[0] if len(readers) == 1 and readers[0].op_type == "DequantizeLinear" else None


def _wrapped(graph: onnx.GraphProto, value: onnx.ValueInfoProto, step: onnx.NodeProto | None, *, last: bool) -> bool:
    """Puts the inverse of `step` to that end of the graph, by one scale and zero point for all values."""
    import onnx

    single = {tensor.name for tensor in graph.initializer if math.prod(tensor.dims) == 1}
    if step is None or len(step.input) < 3 or not single.issuperset(step.input[1:3]):
        return False
    inner = value.name + _INNER
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [inner if name == value.name else name for name in names]
    operator = "DequantizeLinear" if last else "QuantizeLinear"
    ends = (inner, value.name) if last else (value.name, inner)
    added = onnx.helper.make_node(operator, [ends[0], *step.input[1:3]], [ends[1]], domain=step.domain)
    graph.node.insert(len(graph.node) if last else 0, added)
    value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return True
