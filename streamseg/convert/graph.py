"""What a graph shows of how an output came about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.infer.model.onnxfile import inferred, load_onnx

if TYPE_CHECKING:
    import onnx

_PASSING = (
    "Identity", "Cast", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Resize", "Upsample", "Slice",
    "DequantizeLinear", "QuantizeLinear",
)  # fmt: skip


def maker(model: onnx.ModelProto, output: str) -> str:
    """The operator that gave `output` its values, past those that only move or convert them; empty for an input."""
    node = _behind(model, output)
    return node.op_type if node is not None else ""


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


def in_halves(model: onnx.ModelProto) -> bool:
    """Whether any of the graph is computed in numbers of 16 bits."""
    import onnx

    halves = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    ports = (*model.graph.input, *model.graph.output)
    return any(
        kind in halves
        for kind in (
            *(tensor.data_type for tensor in model.graph.initializer),
            *(port.type.tensor_type.elem_type for port in ports),
            *(attribute.i for node in model.graph.node if node.op_type == "Cast" for attribute in node.attribute),
        )
    )


def _behind(model: onnx.ModelProto, output: str) -> onnx.NodeProto | None:
    makers = {name: node for node in model.graph.node for name in node.output}
    node = makers.get(output)
    while node is not None and node.op_type in _PASSING and node.input:
        node = makers.get(node.input[0])
    return node
