"""What a graph does last with its scores, where that makes the highest of them the wrong one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamseg.convert.graph import constants, nodes_by_output, opset_of, way_back
from streamseg.errors import InputError
from streamseg.infer.model.onnxfile import inferred, load_onnx
from streamseg.infer.postprocess import VOID

if TYPE_CHECKING:
    import onnx

_SHARING = ("Softmax", "LogSoftmax")
_KEEPING = ("Identity", "Cast", "Resize", "Upsample", "QuantizeLinear", "DequantizeLinear")
"""Which leave the axes where they are."""
_COLOURS = 3
_BOUNDED = ("Tanh", "Clip")
"""What ends a network that gives pictures."""
_KINDS = {
    "Softmax": "shares of one",
    "Sigmoid": "shares",
    "HardSigmoid": "shares",
    **dict.fromkeys(("Conv", "ConvTranspose", "Relu", "LeakyRelu", "Elu", "Softplus", "Exp", "Tanh"), "numbers"),
}
"""Of planes, by what gave them: those of one kind alone are compared with each other."""
_SCALING = ("Neg", "Add", "Sub", "Mul", "Div")
_MOST_FIXED = 4096  # numbers: a scale for each plane, or the places that are picked, are no more


def check_planes(source: Path, model: onnx.ModelProto, output: str, axis: int, planes: int, rank: int) -> None:
    """Raises InputError where the highest of the `planes` along `axis` of `output` is not the class."""
    way = way_back(model, output)
    if not way:
        return
    if way[-1].op_type in _SHARING and all(node.op_type in _KEEPING for node in way[:-1]):
        _check_axis(source, model, output, way[-1], axis, rank)
    last, sign, moved = _scaled(model, way[-1])
    if sign < 0:
        raise InputError(
            f"{source}: output '{output}' is negated: the lowest of its planes is the class, not the highest",
            "export it without that, or --role logits where the highest is meant",
        )
    if planes == _COLOURS and (last.op_type in _BOUNDED or (moved and last.op_type == "Sigmoid")):
        raise InputError(
            f"{source}: output '{output}' of 3 planes, from {last.op_type}, looks like a picture in colours",
            "--role logits where they are scores of 3 classes",
        )
    pieces = [way_back(model, name) for name in last.input if last.op_type == "Concat"]
    if any(piece and piece[-1].op_type == "ArgMax" for piece in pieces):
        raise InputError(
            f"{source}: output '{output}' holds class ids and, beside them, something else",
            "export each as an output of its own, or --role logits where they are scores",
        )
    if len({_KINDS[piece[-1].op_type] for piece in pieces if piece and piece[-1].op_type in _KINDS}) > 1:
        raise InputError(
            f"{source}: output '{output}' puts planes of several kinds one behind the other, as shares and distances",
            "export each as an output of its own, or --role logits where they are scores",
        )
    if _of_length_one(model, last):
        raise InputError(
            f"{source}: output '{output}' gives each pixel {planes} numbers of length 1: features, not classes",
            "--role logits where they are scores",
        )


def check_ids(source: Path, model: onnx.ModelProto, output: str) -> None:
    """Raises InputError where `output` is a mask of 0 and 255, or a plane of 0 to 255, which are no class ids."""
    way = way_back(model, output)
    if not way or way[-1].op_type not in ("Mul", "Where"):
        return
    known = constants(model)
    values = [_values(name, known) for name in way[-1].input[-2:]]
    fixed = [value for value in values if value is not None]
    if way[-1].op_type == "Where" and len(fixed) < len(values):
        return  # class ids, but for pixels that are none
    if any((value == VOID).all() for value in fixed):
        raise InputError(
            f"{source}: output '{output}' goes up to {VOID}, which stands for no class",
            "export class ids, 0 and 1, or the plane of 0 to 1 that it is made of",
        )


def _scaled(model: onnx.ModelProto, node: onnx.NodeProto) -> tuple[onnx.NodeProto, int, bool]:
    """The operator before those that only scale and shift by fixed numbers, from `node` back.

    With the sign of the scale, and whether there is any such operator.
    """
    known, makers = constants(model), nodes_by_output(model)
    sign, moved = 1, False
    while True:
        values = [_values(name, known) for name in node.input[:2] if node.op_type in _SCALING]
        fixed = next((each for each in values if each is not None), None)
        if node.op_type not in _SCALING:
            return node, sign, moved
        if node.op_type == "Neg" or (node.op_type == "Sub" and values[0] is not None):
            sign = -sign
        elif node.op_type in ("Mul", "Div") and fixed is not None and (node.op_type == "Mul" or values[0] is None):
            if not ((fixed > 0).all() or (fixed < 0).all()):
                return node, sign, moved
            sign = -sign if fixed[0] < 0 else sign
        elif fixed is None or node.op_type == "Div":
            return node, sign, moved
        moved = True
        before = next((name for name, each in zip(node.input, values, strict=False) if each is None), "")
        if before not in makers:
            return node, sign, moved
        node = makers[before]


def _of_length_one(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """Whether `node` divides vectors by their own length."""
    if node.op_type == "LpNormalization":
        return True
    makers = nodes_by_output(model)
    length = makers.get(node.input[1]) if node.op_type == "Div" else None
    while length is not None and length.op_type in ("Clip", "Max", "Expand", "Add", "Unsqueeze"):
        length = makers.get(length.input[0])
    return length is not None and length.op_type == "ReduceL2"


def _check_axis(source: Path, model: onnx.ModelProto, output: str, node: onnx.NodeProto, axis: int, rank: int) -> None:
    """Shares of 1 must be shared among the classes; before opset 13 they are over all axes from the one on."""
    along, old = _along(model, node) % rank, opset_of(model) < 13
    if along == axis or (old and along < axis):
        return
    raise InputError(
        f"{source}: output '{output}': its {node.op_type} goes along axis {along}, the classes along axis {axis}",
        f"export it with {node.op_type} along axis {axis}, or without it",
    )


def may_be_first_of_softmax(source: Path, output: str) -> bool:
    """Whether the one plane `output` of the model `source` is the first of a softmax, or which one is not shown.

    The first is the background as a rule.
    """
    model = inferred(load_onnx(source))
    way = way_back(model, output)
    if not way or way[-1].op_type != "Softmax":
        return False
    known = constants(model)
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.output)
    }
    sides: list[int] | None = shapes.get(way[-1].output[0])
    axis = _along(model, way[-1]) % len(sides) if sides else None
    gives = [output, *(node.input[0] for node in way)]
    for node, given in reversed([*zip(way[:-1], gives, strict=False)]):
        if axis is None or not sides:
            return True
        if (start := _picked(node, given, axis, sides, known)) is None:
            return True
        if start > 0:
            return False
        after = shapes.get(given)
        axis = _moved(node, axis, sides, after, known)
        sides = after
    return True


def _picked(
    node: onnx.NodeProto, given: str, axis: int, sides: list[int], known: Mapping[str, onnx.TensorProto]
) -> int | None:
    """Which plane along `axis` the first one of what is `given` was; None where that is not shown."""
    along = _word(node, "axis", 0) % len(sides)
    if node.op_type == "Split" and along == axis:
        return [*node.output].index(given)  # of the pieces; the first begins with the first plane
    if node.op_type == "Gather" and along == axis:
        starts = _ints(node, "", 1, known)
    elif node.op_type == "Slice":  # whose numbers became inputs in opset 10
        starts = _ints(node, "starts", 1, known)
        axes = _ints(node, "axes", 3, known) or [*range(len(starts or []))]
        places = [place for place, each in enumerate(axes) if each % len(sides) == axis]
        if starts is not None and not places:
            return 0
        starts = starts and [starts[place] for place in places]
    else:
        return 0
    if not starts or len(starts) > 1 or (starts[0] < 0 and not sides[axis]):
        return None
    return starts[0] if starts[0] >= 0 else max(0, sides[axis] + starts[0])


def _moved(
    node: onnx.NodeProto,
    axis: int,
    sides: list[int],
    after: list[int] | None,
    known: Mapping[str, onnx.TensorProto],
) -> int | None:
    """Where `axis` of what has these `sides` is behind `node`; None where that is not shown, or it is gone."""
    if node.op_type == "Transpose":
        perm = _ints(node, "perm", 9, known) or [*reversed(range(len(sides)))]
        return perm.index(axis)
    if node.op_type == "Gather" and after is not None and len(after) < len(sides):
        along = _word(node, "axis", 0) % len(sides)
        return None if along == axis else axis - (along < axis)
    if node.op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
        # Nothing before it, and it itself, is as it was; or all sides but those of 1 are.
        if after is not None and after[: axis + 1] == sides[: axis + 1] and all(after[: axis + 1]):
            return axis
        rest = [place for place, side in enumerate(after or []) if side != 1]
        kept = [place for place, side in enumerate(sides) if side != 1]
        same = after is not None and [after[place] for place in rest] == [sides[place] for place in kept]
        return rest[kept.index(axis)] if same and axis in kept else None
    return axis


def _word(node: onnx.NodeProto, name: str, usual: int) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), usual)


def _ints(node: onnx.NodeProto, name: str, place: int, known: Mapping[str, onnx.TensorProto]) -> list[int] | None:
    """The numbers of an attribute, or of the input at `place` where there is none."""
    written = next(([*each.ints] for each in node.attribute if each.name == name), None)
    if written is not None or place >= len(node.input):
        return written
    values = _values(node.input[place], known)
    return None if values is None else [int(value) for value in values]


def _values(name: str, known: Mapping[str, onnx.TensorProto]) -> NDArray[np.float64] | None:
    """The fixed numbers called `name`, one behind the other; None where there are none, or they lie elsewhere."""
    import onnx

    tensor = known.get(name)
    if tensor is None or tensor.data_location != onnx.TensorProto.DEFAULT or math.prod(tensor.dims) > _MOST_FIXED:
        return None
    values = onnx.numpy_helper.to_array(tensor).astype(np.float64).ravel()
    return values if values.size else None


def _along(model: onnx.ModelProto, node: onnx.NodeProto) -> int:
    """The axis of a Softmax."""
    return _word(node, "axis", -1 if opset_of(model) >= 13 else 1)
