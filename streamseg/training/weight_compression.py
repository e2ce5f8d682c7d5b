"""How weights are kept in a model's file: in full, in half or in a quarter of the space.

Every runtime unpacks them once, when it loads the model, and computes in 32 bits as before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamseg.infer.model.spec import METADATA_KEY, ModelSpec, spec_text
from streamseg.training.plan import Weights

if TYPE_CHECKING:
    import onnx

_LEAST_VALUES = 256  # smaller tensors stay as they are: nothing to gain, and target shapes are among them
_LEAST_8_BIT_VALUES = 4096  # depthwise kernels are below it: little to gain and much to lose
_LARGEST_HALF = 6e4


def packed(raw: bytes, spec: ModelSpec, weights: Weights) -> bytes:
    """The same model with `spec` in it, its weights kept as `weights` says.

    `int8` is for large convolutions and full connections, each output with a scale of its own; the rest is `fp16`.
    """
    import onnx

    model = onnx.load_from_string(raw)
    if weights != "fp32":
        shrink(model.graph, in_8_bits=weights == "int8")
    model.metadata_props.add(key=METADATA_KEY, value=spec_text(spec))
    written: bytes = model.SerializeToString()
    return written


def shrink(graph: onnx.GraphProto, *, in_8_bits: bool) -> None:
    """Keeps weights in half the space, large ones `in_8_bits` in a quarter where that is asked for."""
    from onnx import numpy_helper

    kernels = {node.input[1] for node in graph.node if _by_output(node)} if in_8_bits else set()
    unpacking: list[onnx.NodeProto] = []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != "float32" or values.size < _LEAST_VALUES or abs(values).max() > _LARGEST_HALF:
            continue
        if tensor.name in kernels and values.size >= _LEAST_8_BIT_VALUES:
            unpacking += _in_8_bits(graph, tensor, values)
        else:
            unpacking += _in_16_bits(tensor, values)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*unpacking, *nodes])


def _by_output(node: onnx.NodeProto) -> bool:
    """Whether the first axis of its weights is that of its outputs: a convolution, or a full connection of PyTorch."""
    transposed = any(each.name == "transB" and each.i for each in node.attribute)
    return node.op_type == "Conv" or (node.op_type == "Gemm" and transposed)


def _in_16_bits(tensor: onnx.TensorProto, values: NDArray[np.float32]) -> list[onnx.NodeProto]:
    from onnx import TensorProto, helper, numpy_helper

    name = tensor.name
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
    return [helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)]


def _in_8_bits(graph: onnx.GraphProto, tensor: onnx.TensorProto, values: NDArray[np.float32]) -> list[onnx.NodeProto]:
    from onnx import TensorProto, helper, numpy_helper

    name = tensor.name
    scale = np.maximum(abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True), 1e-12) / 127
    tensor.CopyFrom(numpy_helper.from_array(np.rint(values / scale).astype(np.int8), f"{name}.steps"))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.step"))
    return [
        helper.make_node("Cast", [f"{name}.steps"], [f"{name}.whole"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.whole", f"{name}.step"], [name]),
    ]
