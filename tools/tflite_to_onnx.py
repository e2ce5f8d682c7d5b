"""TensorFlow Lite file to ONNX, for the small float networks of MediaPipe's kind: no TensorFlow needed.

    python tools/tflite_to_onnx.py network.tflite network.onnx

Handles what such networks are made of: convolutions (also depthwise, and MediaPipe's transposed one with a bias),
element-wise sums and products, activations, global means and bilinear resizing; weights may be stored as fp16. The
graph keeps the values of the original and turns its layout from NHWC to NCHW. Needs `pip install tflite onnx`.
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
_TO_NCHW = (0, 3, 1, 2)
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

    def resize(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.ResizeBilinearOptions)
        grid = "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        sizes = f"{_name(output)}_sizes"
        shape = np.array([self._shape(output)[i] for i in _TO_NCHW], np.int64)
        self._weights[sizes] = numpy_helper.from_array(shape, sizes)
        self._add(
            "Resize",
            [_name(inputs[0]), "", "", sizes],
            output,
            mode="linear",
            coordinate_transformation_mode="align_corners" if options.AlignCorners() else grid,
        )

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
        return np.frombuffer(buffer.DataAsNumpy().tobytes(), _DTYPES[tensor.Type()]).reshape(self._shape(i))

    def _shape(self, i: int) -> list[int]:
        tensor = self._tensors[i]
        return [int(side) for side in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []

    def _port(self, i: int) -> onnx.ValueInfoProto:
        shape = self._shape(i)
        return helper.make_tensor_value_info(_name(i), onnx.TensorProto.FLOAT, [shape[axis] for axis in _TO_NCHW])


def _plain(op: str) -> Callable[[Converter, Any, list[int], int], None]:
    return lambda converter, operator, inputs, output: converter._add(op, [_name(inputs[0])], output)


_HANDLERS: dict[str, Callable[[Converter, Any, list[int], int], None]] = {
    "ADD": Converter.add,
    "AVERAGE_POOL_2D": Converter.mean,
    "CONV_2D": Converter.convolution,
    "Convolution2DTransposeBias": Converter.transposed,
    "DEPTHWISE_CONV_2D": Converter.depthwise,
    "DEQUANTIZE": Converter.dequantize,
    "HARD_SWISH": _plain("HardSwish"),
    "LOGISTIC": _plain("Sigmoid"),
    "MEAN": Converter.mean,
    "MUL": Converter.multiply,
    "RELU": _plain("Relu"),
    "RESIZE_BILINEAR": Converter.resize,
}


def _name(i: int) -> str:
    return f"t{i}"


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
