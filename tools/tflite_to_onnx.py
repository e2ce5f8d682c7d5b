"""TensorFlow Lite file to ONNX, for the small float networks of MediaPipe's kind: no TensorFlow needed.

    python tools/tflite_to_onnx.py network.tflite network.onnx

Handles what such networks are made of: convolutions (also depthwise, transposed, and MediaPipe's transposed one with a
bias), element-wise sums and products, activations, softmax, pooling, padding, global means, sums, resizing, and what
moves values about; weights may be stored as fp16, or sparse. The graph keeps the values of the original and turns its
layout from NHWC to NCHW; tensors of other ranks keep theirs. Needs `pip install tflite onnx`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_OPSET, _IR_VERSION = 17, 8
_SAME = 0  # tflite's Padding.SAME; 1 is VALID
_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}
_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
_DEPTHWISE = (3, 0, 1, 2)
_ACTIVATIONS = {1: "Relu", 3: "Relu6"}
_NAMES = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}


class UnknownPartError(Exception):
    """The network has something in it that this converter does not know."""


class Converter:
    """Walks the operators of one TFLite graph, in order, and writes an ONNX node or two for each."""

    def __init__(self, raw: bytes) -> None:
        self._model = tflite.Model.GetRootAsModel(raw, 0)
        self._graph = self._model.Subgraphs(0)
        self._tensors = [self._graph.Tensors(i) for i in range(self._graph.TensorsLength())]
        self._constants = {i: data for i in range(len(self._tensors)) if (data := self._data(i)) is not None}
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}

    def convert(self) -> onnx.ModelProto:
        """The whole graph, checked by ONNX's own checker."""
        for i in range(self._graph.OperatorsLength()):
            self._operator(self._graph.Operators(i))
        graph = helper.make_graph(
            self._nodes,
            "converted",
            [self._port(int(i)) for i in self._graph.InputsAsNumpy()],
            [self._port(int(i)) for i in self._graph.OutputsAsNumpy()],
            list(self._weights.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="streamseg")
        onnx.checker.check_model(model, full_check=True)
        return model

    def _operator(self, operator: Any) -> None:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        name = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        if name == "CUSTOM":
            name = code.CustomCode().decode()
        if name not in _HANDLERS:
            raise UnknownPartError(f"operator {name}")
        inputs = [int(i) for i in operator.InputsAsNumpy()]
        _HANDLERS[name](self, operator, inputs, int(operator.OutputsAsNumpy()[0]))

    def dequantize(self, operator: Any, inputs: list[int], output: int) -> None:
        """Weights stored as fp16 become fp32 here and now."""
        self._constants[output] = self._constants[inputs[0]].astype(np.float32)

    def convolution(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.Conv2DOptions)
        self._convolution(options, inputs, output, _TO_NCHW, 1)

    def depthwise(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.DepthwiseConv2DOptions)
        self._convolution(options, inputs, output, _DEPTHWISE, self._shape(inputs[0])[3])

    def _convolution(self, options: Any, inputs: list[int], output: int, order: tuple[int, ...], group: int) -> None:
        kernel = self._constants[inputs[1]].shape[1:3]
        strides = (options.StrideH(), options.StrideW())
        dilations = (options.DilationHFactor(), options.DilationWFactor())
        pads = (0, 0, 0, 0)
        if options.Padding() == _SAME:
            pads = _same_pads(self._shape(inputs[0])[1:3], kernel, strides, dilations)
        self._add(
            "Conv",
            [_name(inputs[0]), self._weight(inputs[1], order), self._weight(inputs[2])],
            output,
            options.FusedActivationFunction(),
            kernel_shape=kernel,
            strides=strides,
            dilations=dilations,
            pads=pads,
            group=group,
        )

    def transposed_convolution(self, operator: Any, inputs: list[int], output: int) -> None:
        """TensorFlow's own, whose inputs are sizes, kernel, picture and bias."""
        options = _options(operator, tflite.TransposeConvOptions)
        kernel, strides = self._constants[inputs[1]].shape[1:3], (options.StrideH(), options.StrideW())
        if kernel != strides:
            raise UnknownPartError(f"transposed convolution of {kernel} with strides {strides}")
        weights = [self._weight(inputs[1], _DEPTHWISE), *(self._weight(i) for i in inputs[3:])]
        self._add("ConvTranspose", [_name(inputs[2]), *weights], output, strides=strides, kernel_shape=kernel)

    def transposed(self, operator: Any, inputs: list[int], output: int) -> None:
        """MediaPipe's own operator; its options are three integers: padding, stride across, stride down."""
        _, across, down = np.frombuffer(operator.CustomOptionsAsNumpy().tobytes()[:12], np.int32)
        kernel = self._constants[inputs[1]].shape[1:3]
        if kernel != (down, across):
            raise UnknownPartError(f"transposed convolution of {kernel} with strides ({down}, {across})")
        weights = [self._weight(inputs[1], _DEPTHWISE), self._weight(inputs[2])]
        self._add("ConvTranspose", [_name(inputs[0]), *weights], output, strides=kernel, kernel_shape=kernel)

    def add(self, operator: Any, inputs: list[int], output: int) -> None:
        activation = _options(operator, tflite.AddOptions).FusedActivationFunction()
        self._add("Add", [self._operand(i) for i in inputs], output, activation)

    def multiply(self, operator: Any, inputs: list[int], output: int) -> None:
        activation = _options(operator, tflite.MulOptions).FusedActivationFunction()
        self._add("Mul", [self._operand(i) for i in inputs], output, activation)

    def mean(self, operator: Any, inputs: list[int], output: int) -> None:
        if self._shape(output)[1:3] != [1, 1]:
            raise UnknownPartError(f"a mean that leaves {self._shape(output)}")
        self._add("GlobalAveragePool", [_name(inputs[0])], output)

    def sum(self, operator: Any, inputs: list[int], output: int) -> None:
        if not _options(operator, tflite.ReducerOptions).KeepDims() or len(self._shape(inputs[0])) != 4:
            raise UnknownPartError(f"a sum that leaves {self._shape(output)}")
        axes = [_TO_NCHW.index(int(axis) % 4) for axis in self._constants[inputs[1]].reshape(-1)]
        self._add("ReduceSum", [_name(inputs[0]), self._numbers(output, "axes", axes)], output, keepdims=1)

    def softmax(self, operator: Any, inputs: list[int], output: int) -> None:
        if _options(operator, tflite.SoftmaxOptions).Beta() != 1:
            raise UnknownPartError("a softmax with a temperature")
        self._add("Softmax", [_name(inputs[0])], output, axis=1 if len(self._shape(output)) == 4 else -1)

    def pool(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.Pool2DOptions)
        kernel, strides = (options.FilterHeight(), options.FilterWidth()), (options.StrideH(), options.StrideW())
        pads = (0, 0, 0, 0)
        if options.Padding() == _SAME:
            pads = _same_pads(self._shape(inputs[0])[1:3], kernel, strides, (1, 1))
        activation = options.FusedActivationFunction()
        self._add("MaxPool", [_name(inputs[0])], output, activation, kernel_shape=kernel, strides=strides, pads=pads)

    def pad(self, operator: Any, inputs: list[int], output: int) -> None:
        """With zeros, before and after each axis."""
        sides = self._constants[inputs[1]][list(_TO_NCHW)]
        self._add("Pad", [_name(inputs[0]), self._numbers(output, "pads", sides.T.reshape(-1))], output)

    def concatenate(self, operator: Any, inputs: list[int], output: int) -> None:
        rank, axis = len(self._shape(output)), _options(operator, tflite.ConcatenationOptions).Axis()
        axis = _TO_NCHW.index(axis % 4) if rank == 4 else axis
        self._add("Concat", [_name(i) for i in inputs], output, axis=axis)

    def depth_to_space(self, operator: Any, inputs: list[int], output: int) -> None:
        size = _options(operator, tflite.DepthToSpaceOptions).BlockSize()
        self._add("DepthToSpace", [_name(inputs[0])], output, blocksize=size, mode="DCR")

    def reshape(self, operator: Any, inputs: list[int], output: int) -> None:
        """By the order that values have in NHWC."""
        shape, ranks = self._shape(output), (len(self._shape(inputs[0])), len(self._shape(output)))
        before, after, name = _name(inputs[0]), f"{_name(output)}_reshaped", _name(output)
        if ranks[0] == 4:
            self._nodes.append(helper.make_node("Transpose", [before], [f"{name}_nhwc"], perm=_TO_NHWC))
            before = f"{name}_nhwc"
        sizes = self._numbers(output, "shape", shape)
        self._nodes.append(helper.make_node("Reshape", [before, sizes], [after if ranks[1] == 4 else name]))
        if ranks[1] == 4:
            self._nodes.append(helper.make_node("Transpose", [after], [name], perm=_TO_NCHW))

    def transpose(self, operator: Any, inputs: list[int], output: int) -> None:
        order = [int(axis) for axis in self._constants[inputs[1]]]
        if len(order) == 4:
            order = [_TO_NHWC[order[axis]] for axis in _TO_NCHW]
        self._add("Transpose", [_name(inputs[0])], output, perm=order)

    def densify(self, operator: Any, inputs: list[int], output: int) -> None:
        """Weights stored sparse become dense here and now."""
        self._constants[output] = self._constants[inputs[0]]

    def resize(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.ResizeBilinearOptions)
        self._resize(options, inputs, output, mode="linear")

    def resize_nearest(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.ResizeNearestNeighborOptions)
        # TensorFlow's half pixel is asked for the pixel that it lies in, ONNX's for the centre that is nearest.
        exact = options.HalfPixelCenters() or options.AlignCorners()
        self._resize(options, inputs, output, mode="nearest", nearest_mode="round_prefer_ceil" if exact else "floor")

    def _resize(self, options: Any, inputs: list[int], output: int, **how: Any) -> None:
        grid = "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        sizes = self._numbers(output, "sizes", [self._shape(output)[i] for i in _TO_NCHW])
        mode = "align_corners" if options.AlignCorners() else grid
        self._add("Resize", [_name(inputs[0]), "", "", sizes], output, coordinate_transformation_mode=mode, **how)

    def _add(self, op: str, inputs: list[str], output: int, activation: int = 0, **attributes: Any) -> None:
        """A node and, where TFLite has fused one into it, the activation behind it."""
        name = _name(output)
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
        name = f"{_name(output)}_{what}"
        self._weights[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def _operand(self, i: int) -> str:
        if i not in self._constants:
            return _name(i)
        rank = self._constants[i].ndim
        return self._weight(i, {0: None, 1: (-1,), 4: _TO_NCHW}[rank])

    def _weight(self, i: int, order: tuple[int, ...] | None = None) -> str:
        """A constant under its name, its axes in `order`; (-1,) lays a vector along the channels."""
        name = f"{_name(i)}_weight"
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
        sides = [shape[axis] for axis in _TO_NCHW] if len(shape) == 4 else shape
        return helper.make_tensor_value_info(_name(i), onnx.TensorProto.FLOAT, sides)


def _plain(op: str) -> Callable[[Converter, Any, list[int], int], None]:
    return lambda converter, operator, inputs, output: converter._add(op, [_name(inputs[0])], output)


_HANDLERS: dict[str, Callable[[Converter, Any, list[int], int], None]] = {
    "ADD": Converter.add,
    "AVERAGE_POOL_2D": Converter.mean,
    "CONCATENATION": Converter.concatenate,
    "CONV_2D": Converter.convolution,
    "Convolution2DTransposeBias": Converter.transposed,
    "DENSIFY": Converter.densify,
    "DEPTHWISE_CONV_2D": Converter.depthwise,
    "DEPTH_TO_SPACE": Converter.depth_to_space,
    "DEQUANTIZE": Converter.dequantize,
    "HARD_SWISH": _plain("HardSwish"),
    "LOGISTIC": _plain("Sigmoid"),
    "MAX_POOL_2D": Converter.pool,
    "MEAN": Converter.mean,
    "MUL": Converter.multiply,
    "PAD": Converter.pad,
    "RELU": _plain("Relu"),
    "RESHAPE": Converter.reshape,
    "RESIZE_BILINEAR": Converter.resize,
    "RESIZE_NEAREST_NEIGHBOR": Converter.resize_nearest,
    "SOFTMAX": Converter.softmax,
    "SUM": Converter.sum,
    "TRANSPOSE": Converter.transpose,
    "TRANSPOSE_CONV": Converter.transposed_convolution,
}


def _name(i: int) -> str:
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


def _options(operator: Any, kind: Any) -> Any:
    options, table = kind(), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def _same_pads(
    sides: list[int], kernel: tuple[int, ...], strides: tuple[int, int], dilations: tuple[int, int]
) -> tuple[int, int, int, int]:
    """TensorFlow's SAME as explicit pads: what cannot be split evenly goes to the bottom and the right."""
    before, after = [], []
    for side, taps, stride, dilation in zip(sides, kernel, strides, dilations, strict=True):
        outputs = -(-side // stride)
        missing = max((outputs - 1) * stride + (taps - 1) * dilation + 1 - side, 0)
        before.append(missing // 2)
        after.append(missing - missing // 2)
    return before[0], before[1], after[0], after[1]


def main() -> int:
    """Converts one file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    onnx.save(Converter(options.source.read_bytes()).convert(), options.target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
