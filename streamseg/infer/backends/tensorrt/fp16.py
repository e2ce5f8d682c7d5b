"""A graph in fp16, but for the operators that need more; inputs and outputs stay as they were.

Written here because the usual converter leaves values in two types at once where one constant serves nodes of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

_LARGEST = 65504.0
# Sums over many values, exponents and places in a picture need more than eleven bits.
_IN_FP32 = {"ArgMax", "GridSample", "ReduceMean", "Resize", "Sigmoid", "Softmax", "TopK"}
_LAYERS = {"Conv", "ConvTranspose", "Flatten", "Gemm", "MatMul", "Relu"}


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with everything in fp16 that may be; constants must be folded, and shapes inferable."""
    import onnx

    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    work = _Halving(model.graph)
    for node in model.graph.node:
        work.take(node)
    work.finish(model.graph)
    return model


class _Halving:
    """Every value as it is known so far: as fp32, as fp16, or both."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        import onnx

        values = [*graph.input, *graph.output, *graph.value_info]
        floats = {value.name for value in values if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        floats |= {name for name, tensor in self._weights.items() if tensor.data_type == onnx.TensorProto.FLOAT}
        self._floats = floats
        self._halves: dict[str, str] = {}
        """Name of a float value -> name of its fp16 form."""
        self._wholes: dict[str, str] = {name: name for name in floats}
        self._nodes: list[onnx.NodeProto] = []
        self._boxes = False

    def take(self, node: onnx.NodeProto) -> None:
        """The next node, in the precision that it gets."""
        import onnx

        self._boxes = self._boxes or node.op_type == "TopK"
        # Behind the first choice of boxes everything but layers is about places: a half holds 512.3 px as 512.5.
        half = node.op_type not in _IN_FP32 and (not self._boxes or node.op_type in _LAYERS)
        form = self._half if half else self._whole
        for place, name in enumerate(node.input):
            if name in self._floats:
                node.input[place] = form(name)
        for place, name in enumerate(node.output):
            if half and name in self._floats:
                del self._wholes[name]
                node.output[place] = self._halves[name] = f"{name}.half"
        for attribute in node.attribute:
            if half and node.op_type == "Cast" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.FLOAT16
            if half and attribute.HasField("t") and attribute.t.data_type == onnx.TensorProto.FLOAT:
                attribute.t.CopyFrom(_halved(attribute.t, attribute.t.name))
        self._nodes.append(node)

    def finish(self, graph: onnx.GraphProto) -> None:
        """Puts everything back; outputs are fp32 under their own names."""
        for value in graph.output:
            if value.name in self._floats:
                self._whole(value.name)
        used = {name for node in self._nodes for name in node.input}
        kept = [tensor for name, tensor in self._weights.items() if name in used]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(kept)

    def _half(self, name: str) -> str:
        import onnx

        if name not in self._halves:
            self._halves[name] = made = f"{name}.half"
            if name in self._weights:
                self._weights[made] = _halved(self._weights[name], made)
            else:
                self._nodes.append(onnx.helper.make_node("Cast", [name], [made], to=onnx.TensorProto.FLOAT16))
        return self._halves[name]

    def _whole(self, name: str) -> str:
        import onnx

        if name not in self._wholes:
            self._wholes[name] = name
            self._nodes.append(onnx.helper.make_node("Cast", [self._halves[name]], [name], to=onnx.TensorProto.FLOAT))
        return name


def _halved(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    from onnx import numpy_helper

    values = np.clip(numpy_helper.to_array(tensor), -_LARGEST, _LARGEST)
    return numpy_helper.from_array(values.astype(np.float16), name)
