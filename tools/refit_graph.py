"""The network that fits masks, in 8 bits, in the form that ONNX Runtime computes quickest: for tools/train_refit.py.

All is bytes from the picture to the last layer, pixel by pixel with their channels side by side: nothing is divided,
turned or copied on the way. The first layer's input and the last one's output have channels that say nothing, as for 8
and 16 there is quicker code than for 6 and 4. Twice as wide is a layer that gives each pixel twice, twice as high is
each row behind itself. So the picture may have any sides that are multiples of 16.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamseg.motion.refit_network import LANES, PER_LOGIT

Array = NDArray[Any]
_OUT = 16  # channels of the last layer, of which four are asked
_SEEN = np.float32(1 / 255), np.uint8(128)
_CHANGE = np.float32(1 / PER_LOGIT), np.uint8(128)
_OURS = "com.microsoft"


def side_by_side(quantised: onnx.ModelProto) -> onnx.ModelProto:
    """From (1, h, w, 8) bytes to (1, h / 2, w / 2, 16), of which four are what is added to the logits of 2x2 pixels.

    `quantised` is `Network` of tools/train_refit.py as `quantize_static` writes it.
    """
    graph = _Graph(quantised)
    x, scales = graph.convolved("seen", lanes=LANES, offset=0.5), list[str]()  # a byte of 128 is one half, and a bit
    for _ in range(3):
        scales.append(x)
        x = graph.convolved(x)
        x = graph.added(x, graph.convolved(graph.convolved(x)))
    for scale in reversed(scales):
        x = graph.convolved(graph.added(scale, graph.enlarged(graph.convolved(x, twice=True), scale)))
    graph.convolved(x, last=True)
    return graph.model()


class _Graph:
    """Layers of the other graph, in its order, each named by its number."""

    def __init__(self, quantised: onnx.ModelProto) -> None:
        nodes = quantised.graph.node
        self._values = {each.name: numpy_helper.to_array(each) for each in quantised.graph.initializer}
        self._made = {name: node for node in nodes for name in node.output}
        self._ranges = {node.input[0]: node.input[1:] for node in nodes if node.op_type == "QuantizeLinear"}
        self._convolutions, self._sums = ([n for n in nodes if n.op_type == kind] for kind in ("Conv", "Add"))
        self._next, self._next_sum = iter(self._convolutions), iter(self._sums)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, Array] = {}
        self._keep_range("seen", *_SEEN)

    def convolved(self, x: str, *, lanes: int = 0, offset: float = 0.0, twice: bool = False, last: bool = False) -> str:
        """The next convolution, of an `x` of so many `lanes`, whose values are all `offset` too small."""
        node = next(self._next)
        (weights, scale), (bias, _) = (self._quantised(name) for name in node.input[1:])
        bias = bias + np.rint(offset * weights.sum((1, 2, 3))).astype(np.int32)
        outputs, inputs = len(weights), weights.shape[1]
        more = [(0, max(0, _OUT - outputs) if last else 0), (0, max(0, lanes - inputs)), (0, 0), (0, 0)]
        copies = 1 + twice
        weights = np.tile(np.pad(weights, more), (copies, 1, 1, 1))
        bias, scale = np.tile(np.pad(bias, more[0]), copies), np.tile(np.pad(scale, more[0], mode="edge"), copies)
        name = "change" if last else f"layer {len(self._nodes)}"
        self._keep_range(name, *(_CHANGE if last else self._range(node)))
        own = {"weights": weights, "scales": scale, "zeros": np.zeros(len(weights), np.int8)}
        kept = [self._kept(f"{name}, {what}", value) for what, value in own.items()]
        inputs_of = [*self._ranged(x), *kept, *self._ranged(name)[1:], self._kept(f"{name}, bias", bias)]
        shape = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.name != "auto_pad"}
        self._add("QLinearConv", inputs_of, name, domain=_OURS, channels_last=1, **shape)
        return name

    def added(self, x: str, y: str) -> str:
        """The next sum."""
        name = f"layer {len(self._nodes)}"
        self._keep_range(name, *self._range(next(self._next_sum)))
        self._add("QLinearAdd", [*self._ranged(x), *self._ranged(y), *self._ranged(name)[1:]], name, domain=_OURS)
        return name

    def enlarged(self, x: str, like: str) -> str:
        """`x`, which has each pixel twice, each row twice."""
        name = f"layer {len(self._nodes)}"
        self._add("Concat", [x, x], f"{name}, rows", axis=2)
        self._add("Shape", [like], f"{name}, shape")
        self._add("Reshape", [f"{name}, rows", f"{name}, shape"], name)
        self._keep_range(name, *(self._constants[each] for each in self._ranged(x)[1:]))
        return name

    def model(self) -> onnx.ModelProto:
        seen = helper.make_tensor_value_info("seen", TensorProto.UINT8, [1, "high", "wide", LANES])
        change = helper.make_tensor_value_info("change", TensorProto.UINT8, [1, None, None, _OUT])
        constants = [numpy_helper.from_array(value, name) for name, value in self._constants.items()]
        graph = helper.make_graph(self._nodes, "refit", [seen], [change], constants)
        versions = [helper.make_opsetid("", 17), helper.make_opsetid(_OURS, 1)]
        model = helper.make_model(graph, opset_imports=versions, ir_version=8)
        onnx.checker.check_model(model)
        return model

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))

    def _quantised(self, name: str) -> tuple[Array, Array]:
        """Weights in 8 bits, or a bias in 32, and the scale of each output."""
        values, scale = (self._values[each] for each in self._made[name].input[:2])
        return values, np.broadcast_to(scale, len(values)).astype(np.float32)

    def _range(self, node: onnx.NodeProto) -> Iterator[Array]:
        return (self._values[each] for each in self._ranges[node.output[0]])

    def _keep_range(self, name: str, scale: Array | np.float32, zero: Array | np.uint8) -> None:
        self._kept(f"{name}, scale", np.float32(scale))
        self._kept(f"{name}, zero", np.uint8(zero))

    def _ranged(self, name: str) -> list[str]:
        return [name, f"{name}, scale", f"{name}, zero"]

    def _kept(self, name: str, value: Any) -> str:
        self._constants[name] = np.array(value, order="C")
        return name
