"""Nodes that are put before and behind a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

OWN = "streamseg_"
"""What the names of streamseg's own tensors begin with."""
PICTURE = f"{OWN}picture"
"""The input of an imported model."""


class Chain:
    """Nodes one behind the other, under names that no graph of others has."""

    def __init__(self, start: str, label: str, opset: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._last = start
        self._label = f"{OWN}{label}"
        self._opset = opset

    def add(self, op: str, constant: NDArray[Any] | np.generic | None = None, **attributes: Any) -> None:
        """A node that takes the last one's output, and `constant` as a second input."""
        inputs = [self._last] if constant is None else [self._last, self._constant(op, constant)]
        self._append(op, inputs, attributes)

    def along(self, op: str, axis: int) -> None:
        """Squeeze or Unsqueeze, whose axes became an input in opset 13."""
        if self._opset < 13:
            self.add(op, axes=[axis])
        else:
            self.add(op, np.array([axis], np.int64))

    def enlarge(self, channels: int | None, dims: Sequence[int | str | None]) -> None:
        """(N, C, h, w) to the sides of the picture, (N, H, W, C) `dims`: bilinear, corners not aligned."""
        nothing = "" if self._opset >= 13 else self._constant("nothing", np.empty(0, np.float32))
        sides = [dims[0], channels, *dims[1:3]]
        if all(isinstance(side, int) for side in sides):
            sizes = self._constant("sizes", np.array(sides, np.int64))
        else:
            sizes = self._sizes_of_picture()
        attributes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        self._append("Resize", [self._last, nothing, nothing, sizes], attributes)

    def plane_before(self, axis: int, value: float) -> None:
        """One more plane of (N, C, h, w) or (N, h, w, C), before the others: `value` everywhere."""
        pads = np.zeros(8, np.int64)
        pads[axis] = 1
        if self._opset < 11:
            self.add("Pad", mode="constant", pads=pads.tolist(), value=value)
            return
        inputs = [self._last, self._constant("pads", pads), self._constant("value", np.float32(value))]
        self._append("Pad", inputs, {"mode": "constant"})

    def unflatten(self, channels: int, sides: Sequence[int | None], like: str) -> None:
        """(N, C, h * w) to (N, C, h, w): `sides` where they are fixed, else those of the tensor `like` (N, Q, h, w)."""
        if None not in sides:
            self.add("Reshape", np.array([0, channels, *sides], np.int64))
            return
        rows = self._last
        self._append("Shape", [like], {})
        self._append("Gather", [self._last, self._constant("sides", np.array([2, 3], np.int64))], {})
        first = self._constant("first", np.array([0, channels], np.int64))  # 0: as many as there are
        self._append("Concat", [first, self._last], {"axis": 0})
        self._append("Reshape", [rows, self._last], {})

    def join(self, op: str, other: Chain) -> None:
        """A node that takes the last outputs of both."""
        self._append(op, [self._last, other._last], {})

    def fork(self, label: str) -> Chain:
        """Another one that begins where this one ends now."""
        return Chain(self._last, label, self._opset)

    def end(self, name: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
        """All nodes and constants, the last output under its final name."""
        self.nodes[-1].output[0] = name
        return self.nodes, self.constants

    def _sizes_of_picture(self) -> str:
        scores = self._last
        self._append("Shape", [scores], {})
        self._append("Gather", [self._last, self._constant("planes", np.array([0, 1], np.int64))], {})
        planes = self._last
        self._append("Shape", [PICTURE], {})
        self._append("Gather", [self._last, self._constant("sides", np.array([1, 2], np.int64))], {})
        self._append("Concat", [planes, self._last], {"axis": 0})
        sizes, self._last = self._last, scores
        return sizes

    def _constant(self, label: str, value: NDArray[Any] | np.generic) -> str:
        import onnx

        name = f"{self._label}_{label.lower()}_{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def _append(self, op: str, inputs: Sequence[str], attributes: dict[str, Any]) -> None:
        import onnx

        self._last = f"{self._label}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(op, inputs, [self._last], name=self._last, **attributes))
