"""What a graph itself does with the values of its picture, which tells how it wants to be fed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamseg.convert.graph import constants, nodes_by_output
from streamseg.convert.hints import NORMALISATIONS, Hints
from streamseg.infer.model.spec import Colour

if TYPE_CHECKING:
    import onnx

_Channels = NDArray[np.float64]
"""One number, or one for each channel."""

_MOVING = ("Cast", "Identity", "Transpose")
_RESHAPING = ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze")
_SCALING = ("Mul", "Div", "Sub", "Add")
_TURN = "turn"
_COLOURS = 3
_NEAR = 0.004  # a byte of 255: Caffe's means are not quite those of others
_LEAST_OF_BYTES = 50  # ImageNet's deviations in bytes are 57 and above, the factors of networks that take 0..1 a few
_IMAGENET = np.array(NORMALISATIONS["imagenet"][0]) / 255


def scale_inside(model: onnx.ModelProto, picture: str) -> Hints:
    """How `picture` is to be fed to a `model` that scales it by itself; nothing where the graph does not show it.

    Normalisation is `none` where it brings 0..255 to about 1, as Keras' Rescaling does, and `0..1` where it subtracts
    means of that scale. Those of ImageNet show the order of the channels, too.
    """
    mean, std = np.zeros(1), np.ones(1)  # of what comes out: (picture - mean) / std
    way = 1
    for operator, values in _steps(model, picture):
        if operator == _TURN:
            mean, std, way = mean[::-1], std[::-1], -way
        elif operator in ("Mul", "Div"):
            std = std / values if operator == "Mul" else std * values
        else:
            mean = mean + (values if operator == "Sub" else -values) * std
    mean, std = mean[::way], std[::way]
    if (std <= 0).any() or (mean < 0).any():
        return Hints()
    if (std > _LEAST_OF_BYTES).all() or ((std == 1).all() and (mean > _LEAST_OF_BYTES).all()):
        return Hints(normalise="none", colour=_order(mean / 255))
    order = _order(mean)
    if order or (np.allclose(mean, 0.5) and np.allclose(std, 0.5)):
        return Hints(normalise="0..1", colour=order)
    return Hints()


def _steps(model: onnx.ModelProto, picture: str) -> Iterator[tuple[str, _Channels]]:
    """The first operators on the values of `picture`, for as long as each is the only one, and its numbers."""
    known = constants(model)
    makers = nodes_by_output(model)
    shapes = [each.type.tensor_type.shape.dim for each in model.graph.input if each.name == picture]
    dims = [dim.dim_value for shape in shapes for dim in shape]
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input if node.op_type != "Shape" else ():
            users.setdefault(name, []).append(node)
    while len(after := users.pop(picture, [])) == 1:
        (node,) = after
        if node.op_type in _SCALING:
            (other,) = [name for name in node.input if name != picture] or [picture]
            turned = node.op_type in ("Sub", "Div") and node.input[0] != picture
            numbers = None if turned else _numbers(other, known, makers)
            if numbers is None:
                return
            yield node.op_type, numbers
        elif _turns(node, known, dims):
            yield _TURN, np.ones(1)
        elif node.op_type not in _MOVING:
            return
        elif node.op_type == "Transpose":
            order = [*node.attribute[0].ints] if node.attribute else [*range(len(dims))][::-1]
            dims = [dims[axis] for axis in order] if len(order) == len(dims) else []  # a constant may add an axis
        picture = node.output[0]


def _turns(node: onnx.NodeProto, known: Mapping[str, onnx.TensorProto], dims: list[int]) -> bool:
    """Whether `node` turns the order of the three channels."""
    fixed = [_integers(known.get(name)) for name in node.input[1:]]
    if node.op_type == "Gather":
        return fixed == [[2, 1, 0]]
    if node.op_type != "Slice" or len(fixed) != 4 or fixed[3] != [-1] or fixed[2] is None or len(fixed[2]) != 1:
        return False
    (axis,) = fixed[2]
    return -len(dims) <= axis < len(dims) and dims[axis] == _COLOURS and fixed[0] in ([-1], [_COLOURS - 1])


def _integers(tensor: onnx.TensorProto | None) -> list[int] | None:
    """A few fixed whole numbers."""
    import onnx

    if tensor is None or tensor.data_location != onnx.TensorProto.DEFAULT or math.prod(tensor.dims) > _COLOURS:
        return None
    return [int(value) for value in onnx.numpy_helper.to_array(tensor).ravel()]


def _numbers(
    name: str, known: Mapping[str, onnx.TensorProto], makers: Mapping[str, onnx.NodeProto]
) -> _Channels | None:
    """One, or one for each of three channels; none of them 0."""
    import onnx

    while name in makers and makers[name].op_type in _RESHAPING:
        name = makers[name].input[0]
    tensor = known.get(name)
    if tensor is None or tensor.data_location != onnx.TensorProto.DEFAULT:
        return None
    values = onnx.numpy_helper.to_array(tensor).astype(np.float64).ravel()
    return values if values.size in (1, 3) and values.all() else None


def _order(mean: _Channels) -> Colour | None:
    """Of the channels, by ImageNet's means in 0..1."""
    orders: tuple[tuple[Colour, _Channels], ...] = (("rgb", _IMAGENET), ("bgr", _IMAGENET[::-1]))
    return next((colour for colour, known in orders if mean.size == 3 and np.allclose(mean, known, atol=_NEAR)), None)
