"""What a converter of TensorFlow Lite reads of a graph, and the ONNX graph that it writes; for `tflite_to_onnx.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import tflite
from numpy.typing import NDArray
from onnx import helper, numpy_helper

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}
_ACTIVATIONS = {1: "Relu", 3: "Relu6"}


class UnknownPartError(Exception):
    """The network has something in it that this converter does not know."""


class Graph:
    """One TFLite graph with its constants, and the ONNX nodes and weights that are made of it."""

    def __init__(self, raw: bytes) -> None:
        self._model = tflite.Model.GetRootAsModel(raw, 0)
        self._graph = self._model.Subgraphs(0)
        self._tensors = [self._graph.Tensors(i) for i in range(self._graph.TensorsLength())]
        self._constants = {i: data for i in range(len(self._tensors)) if (data := self._data(i)) is not None}
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}

    def _add(self, op: str, inputs: list[str], output: int, activation: int = 0, **attributes: Any) -> None:
        """A node and, where TFLite has fused one into it, the activation behind it."""
        name = name_of(output)
        inner = f"{name}_plain" if activation else name
        self._nodes.append(helper.make_node(op, inputs, [inner], **attributes))
        if not activation:
            return
        if activation not in _ACTIVATIONS:
            raise UnknownPartError(f"fused activation {activation}")
        kind = _ACTIVATIONS[activation]
        if kind == "Relu":
            self._nodes.append(helper.make_node("Relu", [inner], [name]))
            return
        bounds = [self._scalar("zero", 0), self._scalar("six", 6)]
        self._nodes.append(helper.make_node("Clip", [inner, *bounds], [name]))

    def _scalar(self, name: str, value: float) -> str:
        self._weights[name] = numpy_helper.from_array(np.array(value, np.float32), name)
        return name

    def _numbers(self, output: int, what: str, values: Any) -> str:
        name = f"{name_of(output)}_{what}"
        self._weights[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def _operand(self, i: int) -> str:
        if i not in self._constants:
            return name_of(i)
        rank = self._constants[i].ndim
        return self._weight(i, {0: None, 1: (-1,), 4: TO_NCHW}[rank])

    def _weight(self, i: int, order: tuple[int, ...] | None = None) -> str:
        """A constant under its name, its axes in `order`; (-1,) lays a vector along the channels."""
        name = f"{name_of(i)}_weight"
        data = self._constants[i].astype(np.float32)
        if order == (-1,):
            data = data.reshape(1, -1, 1, 1)
        elif order is not None:
            data = np.ascontiguousarray(data.transpose(order))
        self._weights[name] = numpy_helper.from_array(data, name)
        return name

    def _data(self, i: int) -> NDArray[Any] | None:
        tensor = self._tensors[i]
        buffer = self._model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        if tensor.Type() not in _DTYPES:
            raise UnknownPartError(f"weights of type {tensor.Type()}")
        values = np.frombuffer(buffer.DataAsNumpy().tobytes(), _DTYPES[tensor.Type()])
        sparsity = tensor.Sparsity()
        return values.reshape(self._shape(i)) if sparsity is None else _dense(values, sparsity, self._shape(i))

    def _shape(self, i: int) -> list[int]:
        tensor = self._tensors[i]
        return [int(side) for side in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []

    def _port(self, i: int) -> onnx.ValueInfoProto:
        shape = self._shape(i)
        sides = [shape[axis] for axis in TO_NCHW] if len(shape) == 4 else shape
        return helper.make_tensor_value_info(name_of(i), onnx.TensorProto.FLOAT, sides)


def name_of(i: int) -> str:
    return f"t{i}"


def _dense(values: NDArray[Any], sparsity: Any, shape: list[int]) -> NDArray[Any]:
    """All values of a sparse tensor: level by level, dense ones have all their indices, others list theirs."""
    if sparsity.BlockMapLength():
        raise UnknownPartError("sparse weights in blocks")
    order = [int(axis) for axis in sparsity.TraversalOrderAsNumpy()]
    places, indices = np.zeros(1, np.int64), np.zeros((1, 0), np.int64)
    for level in range(len(order)):
        meta = sparsity.DimMetadata(level)
        if meta.Format() == tflite.DimensionType.DENSE:
            counts = np.full(len(places), meta.DenseSize())
            starts = places * meta.DenseSize()
        else:
            segments = _listed(meta.ArraySegmentsType(), meta.ArraySegments())
            starts, counts = segments[places], np.diff(segments)[places]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places = np.repeat(starts, counts) + within
        found = within
        if meta.Format() != tflite.DimensionType.DENSE:
            found = _listed(meta.ArrayIndicesType(), meta.ArrayIndices())[places]
        indices = np.column_stack([np.repeat(indices, counts, axis=0), found])
    dense = np.zeros(shape, values.dtype)
    dense[tuple(indices[:, order.index(axis)] for axis in range(len(shape)))] = values[places]
    return dense


def _listed(kind: int, table: Any) -> NDArray[np.int64]:
    names = {value: name for name, value in vars(tflite.SparseIndexVector).items() if isinstance(value, int)}
    vector = getattr(tflite, names[kind])()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy(), np.int64)
