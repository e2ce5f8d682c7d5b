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
from onnx import helper
from tflite_graph import TO_NCHW, TO_NHWC, Graph, UnknownPartError, name_of

_OPSET, _IR_VERSION = 17, 8
_SAME = 0  # tflite's Padding.SAME; 1 is VALID
_DEPTHWISE = (3, 0, 1, 2)
_NAMES = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}


class Converter(Graph):
    """Walks the operators of one TFLite graph, in order, and writes an ONNX node or two for each."""

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
        self._convolution(options, inputs, output, TO_NCHW, 1)

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
            [name_of(inputs[0]), self._weight(inputs[1], order), self._weight(inputs[2])],
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
        self._add("ConvTranspose", [name_of(inputs[2]), *weights], output, strides=strides, kernel_shape=kernel)

    def transposed(self, operator: Any, inputs: list[int], output: int) -> None:
        """MediaPipe's own operator; its options are three integers: padding, stride across, stride down."""
        _, across, down = np.frombuffer(operator.CustomOptionsAsNumpy().tobytes()[:12], np.int32)
        kernel = self._constants[inputs[1]].shape[1:3]
        if kernel != (down, across):
            raise UnknownPartError(f"transposed convolution of {kernel} with strides ({down}, {across})")
        weights = [self._weight(inputs[1], _DEPTHWISE), self._weight(inputs[2])]
        self._add("ConvTranspose", [name_of(inputs[0]), *weights], output, strides=kernel, kernel_shape=kernel)

    def add(self, operator: Any, inputs: list[int], output: int) -> None:
        activation = _options(operator, tflite.AddOptions).FusedActivationFunction()
        self._add("Add", [self._operand(i) for i in inputs], output, activation)

    def multiply(self, operator: Any, inputs: list[int], output: int) -> None:
        activation = _options(operator, tflite.MulOptions).FusedActivationFunction()
        self._add("Mul", [self._operand(i) for i in inputs], output, activation)

    def mean(self, operator: Any, inputs: list[int], output: int) -> None:
        if self._shape(output)[1:3] != [1, 1]:
            raise UnknownPartError(f"a mean that leaves {self._shape(output)}")
        self._add("GlobalAveragePool", [name_of(inputs[0])], output)

    def sum(self, operator: Any, inputs: list[int], output: int) -> None:
        if not _options(operator, tflite.ReducerOptions).KeepDims() or len(self._shape(inputs[0])) != 4:
            raise UnknownPartError(f"a sum that leaves {self._shape(output)}")
        axes = [TO_NCHW.index(int(axis) % 4) for axis in self._constants[inputs[1]].reshape(-1)]
        self._add("ReduceSum", [name_of(inputs[0]), self._numbers(output, "axes", axes)], output, keepdims=1)

    def softmax(self, operator: Any, inputs: list[int], output: int) -> None:
        if _options(operator, tflite.SoftmaxOptions).Beta() != 1:
            raise UnknownPartError("a softmax with a temperature")
        self._add("Softmax", [name_of(inputs[0])], output, axis=1 if len(self._shape(output)) == 4 else -1)

    def pool(self, operator: Any, inputs: list[int], output: int) -> None:
        options = _options(operator, tflite.Pool2DOptions)
        kernel, strides = (options.FilterHeight(), options.FilterWidth()), (options.StrideH(), options.StrideW())
        pads = (0, 0, 0, 0)
        if options.Padding() == _SAME:
            pads = _same_pads(self._shape(inputs[0])[1:3], kernel, strides, (1, 1))
        activation = options.FusedActivationFunction()
        self._add("MaxPool", [name_of(inputs[0])], output, activation, kernel_shape=kernel, strides=strides, pads=pads)

    def pad(self, operator: Any, inputs: list[int], output: int) -> None:
        """With zeros, before and after each axis."""
        sides = self._constants[inputs[1]][list(TO_NCHW)]
        self._add("Pad", [name_of(inputs[0]), self._numbers(output, "pads", sides.T.reshape(-1))], output)

    def concatenate(self, operator: Any, inputs: list[int], output: int) -> None:
        rank, axis = len(self._shape(output)), _options(operator, tflite.ConcatenationOptions).Axis()
        axis = TO_NCHW.index(axis % 4) if rank == 4 else axis
        self._add("Concat", [name_of(i) for i in inputs], output, axis=axis)

    def depth_to_space(self, operator: Any, inputs: list[int], output: int) -> None:
        size = _options(operator, tflite.DepthToSpaceOptions).BlockSize()
        self._add("DepthToSpace", [name_of(inputs[0])], output, blocksize=size, mode="DCR")

    def reshape(self, operator: Any, inputs: list[int], output: int) -> None:
        """By the order that values have in NHWC."""
        shape, ranks = self._shape(output), (len(self._shape(inputs[0])), len(self._shape(output)))
        before, after, name = name_of(inputs[0]), f"{name_of(output)}_reshaped", name_of(output)
        if ranks[0] == 4:
            self._nodes.append(helper.make_node("Transpose", [before], [f"{name}_nhwc"], perm=TO_NHWC))
            before = f"{name}_nhwc"
        sizes = self._numbers(output, "shape", shape)
        self._nodes.append(helper.make_node("Reshape", [before, sizes], [after if ranks[1] == 4 else name]))
        if ranks[1] == 4:
            self._nodes.append(helper.make_node("Transpose", [after], [name], perm=TO_NCHW))

    def transpose(self, operator: Any, inputs: list[int], output: int) -> None:
        order = [int(axis) for axis in self._constants[inputs[1]]]
        if len(order) == 4:
            order = [TO_NHWC[order[axis]] for axis in TO_NCHW]
        self._add("Transpose", [name_of(inputs[0])], output, perm=order)

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
        sizes = self._numbers(output, "sizes", [self._shape(output)[i] for i in TO_NCHW])
        mode = "align_corners" if options.AlignCorners() else grid
        self._add("Resize", [name_of(inputs[0]), "", "", sizes], output, coordinate_transformation_mode=mode, **how)


def _plain(op: str) -> Callable[[Converter, Any, list[int], int], None]:
    return lambda converter, operator, inputs, output: converter._add(op, [name_of(inputs[0])], output)


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
