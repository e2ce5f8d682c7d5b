"""Normalisation put before a graph and labels behind it, so that bytes go in and bytes come out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamseg.convert.chain import OWN, PICTURE, Chain
from streamseg.convert.graph import opset_of
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo

if TYPE_CHECKING:
    import onnx

LABELS, CONFIDENCE = f"{OWN}labels", f"{OWN}confidence"
"""Outputs of an imported model."""

_TO_NCHW, _TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]
_NEEDED_OPSET = 7  # broadcasting as NumPy does it
_LEAST_SHARE = 1e-6
_WEIGHTS_ALONE = 4  # the version of the format from which on they need not be inputs


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """What the graph gives, and where its channels are."""

    info: TensorInfo
    """As it really comes: every side known but for those that are free."""
    role: Literal["labels", "logits", "probability"]
    channel_axis: int | None
    """Of (N, C, H, W), (N, H, W, C), (C, H, W) or (H, W, C); None for planes without a channel."""
    sigmoid: bool
    """Whether what is compared with a threshold has still to go through a sigmoid."""
    threshold: float | None = None
    """0..1: where no plane is above it the background is, a class of its own before all others; None: it always is
    the best of them. Of a probability: where the object begins; None: a half."""
    upsampled: bool = False
    """Whether scores are enlarged to the input's size before anything is decided."""

    @property
    def batched(self) -> bool:
        """Whether the first axis counts pictures."""
        return len(self.info.shape or ()) - (self.channel_axis is not None) == 3


def graft(model: onnx.ModelProto, spec: InputSpec, plan: OutputPlan, states: Collection[str] = ()) -> onnx.ModelProto:
    """A copy of `model` that takes u8 NHWC pictures (BGR, or one grey channel) and gives u8 labels (N, h, w).

    `spec` describes the picture input as `model` has it now. A probability gives u8 confidence as well. Of its own
    outputs those that are `states` stay.
    """
    import onnx

    done, opset, dims = _with_picture(model, spec)
    after, more = _after(plan, opset, dims)
    done.graph.node.extend(after)
    done.graph.initializer.extend(more)
    kept = [value for value in done.graph.output if value.name in states]
    del done.graph.output[:]
    sides = _sides(plan, dims)
    for name in (LABELS, CONFIDENCE)[: 2 if plan.role == "probability" else 1]:
        done.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, sides))
    done.graph.output.extend(kept)
    return done


def graft_objects(
    model: onnx.ModelProto, spec: InputSpec, roles: Mapping[str, str], states: Collection[str] = (), *, batched: bool
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """A copy of `model` that takes pictures as `graft` says, and role to output in it; `states` are its others.

    Where they are not `batched` they get a first axis that counts pictures, of which there is one.
    """
    import onnx

    done, opset, _ = _with_picture(model, spec)
    given = {value.name: value for value in done.graph.output}
    del done.graph.output[:]
    done.graph.output.extend(given[name] for name in states if name not in roles.values() or not batched)
    if batched:
        done.graph.output.extend(given[name] for name in roles.values())
        return done, dict(roles)
    for role, name in roles.items():
        chain = Chain(name, role, opset)
        dims = [_dim(dim) for dim in given[name].type.tensor_type.shape.dim]
        if len(dims) == 4:  # (K, 1, h, w), a plane an object
            chain.add("Transpose", perm=[1, 0, 2, 3])
            dims = [1, dims[0], *dims[2:]]
        else:
            chain.along("Unsqueeze", 0)
            dims = [1, *dims]
        nodes, constants = chain.end(f"{OWN}{role}")
        done.graph.node.extend(nodes)
        done.graph.initializer.extend(constants)
        kind = given[name].type.tensor_type.elem_type
        done.graph.output.append(onnx.helper.make_tensor_value_info(f"{OWN}{role}", kind, dims))
    return done, {role: f"{OWN}{role}" for role in roles}


def _with_picture(model: onnx.ModelProto, spec: InputSpec) -> tuple[onnx.ModelProto, int, list[int | str | None]]:
    """A copy of `model` that takes pictures, its opset, and the shape of that input."""
    import onnx

    done = onnx.ModelProto()
    done.CopyFrom(_recent(model))
    opset = opset_of(done)
    graph = done.graph
    weights = {tensor.name for tensor in graph.initializer}
    image = next(value for value in graph.input if value.name not in weights and spec.name in (None, value.name))
    dims = [_dim(dim) for dim in image.type.tensor_type.shape.dim]
    batched = len(dims) == 4
    dims = dims if batched else [1, *dims]
    if spec.layout == "NCHW":
        dims = [dims[axis] for axis in _TO_NHWC]
    dims[3] = spec.channels
    before, constants = _before(image.name, spec, opset, batched=batched)
    nodes = [*before, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    others = [value for value in graph.input if value.name not in {*weights, image.name}]
    del graph.input[:]  # weights that are inputs could be fed, so that no runtime takes them for constants
    graph.input.append(onnx.helper.make_tensor_value_info(PICTURE, onnx.TensorProto.UINT8, dims))
    graph.input.extend(others)
    done.ir_version = max(done.ir_version, _WEIGHTS_ALONE)
    return done, opset, dims


def own_names(model: onnx.ModelProto) -> list[str]:
    """Names in the graph of `model` that `graft` wants for itself."""
    named = [*model.graph.input, *model.graph.initializer]
    names = [value.name for value in named] + [name for node in model.graph.node for name in (node.name, *node.output)]
    return [name for name in names if name.startswith(OWN)]


def _recent(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnx.version_converter

    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    return model if opset >= _NEEDED_OPSET else onnx.version_converter.convert_version(model, 11)


def _before(
    name: str, spec: InputSpec, opset: int, *, batched: bool
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Layout and channel order while a channel is a byte, then floats; in fp32 whatever the network computes in."""
    import onnx

    chain = Chain(PICTURE, "before", opset)
    chain.add("Transpose", perm=_TO_NCHW)
    if spec.colour == "rgb":
        chain.add("Gather", np.array([2, 1, 0], np.int64), axis=1)
    if spec.dtype != "uint8":
        chain.add("Cast", to=onnx.TensorProto.FLOAT)
        if any(spec.mean):
            chain.add("Sub", _channels(spec.mean))
        if any(value != 1 for value in spec.std):
            chain.add("Div", _channels(spec.std))
    if spec.dtype == "float16":
        chain.add("Cast", to=onnx.TensorProto.FLOAT16)
    if spec.layout == "NHWC":
        chain.add("Transpose", perm=_TO_NHWC)
    if not batched:
        chain.along("Squeeze", 0)
    return chain.end(name)


def _after(
    plan: OutputPlan, opset: int, dims: Sequence[int | str | None]
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    import onnx

    chain = Chain(plan.info.name, "after", opset)
    if plan.role != "labels" and plan.info.dtype != np.float32:
        chain.add("Cast", to=onnx.TensorProto.FLOAT)
    axis = plan.channel_axis
    if not plan.batched:
        chain.along("Unsqueeze", 0)
        axis = None if axis is None else axis + 1
    if plan.upsampled:
        if axis is None:
            chain.along("Unsqueeze", 1)
        elif axis == 3:
            chain.add("Transpose", perm=_TO_NCHW)
        axis = 1
        chain.enlarge((plan.info.shape or ())[plan.channel_axis] if plan.channel_axis is not None else 1, dims)
    if plan.role == "logits":
        _pick(chain, plan, axis or 1)
    elif axis is not None:
        chain.add("Gather", np.array(0, np.int64), axis=axis)
    if plan.role == "probability":
        return _halved(chain, plan)
    chain.add("Cast", to=onnx.TensorProto.UINT8)
    return chain.end(LABELS)


def _pick(chain: Chain, plan: OutputPlan, axis: int) -> None:
    """The best plane's number."""
    if plan.threshold is not None:
        if plan.sigmoid:
            chain.add("Sigmoid")
        chain.plane_before(axis, plan.threshold)
    chain.add("ArgMax", axis=axis, keepdims=0)


def _halved(chain: Chain, plan: OutputPlan) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """One plane, cut at its threshold, and how sure it is of that: as far from a half as the plane is from there."""
    import onnx

    if plan.sigmoid:
        chain.add("Sigmoid")
    above, level = chain.fork("above"), chain.fork("level")
    threshold = 0.5 if plan.threshold is None else plan.threshold
    chain.add("Greater", np.float32(threshold))
    if threshold != 0.5:  # two lines that meet there, at a half
        below, rest = (max(share, _LEAST_SHARE) for share in (threshold, 1 - threshold))
        level.add("Mul", np.float32(0.5 / below))
        above.add("Mul", np.float32(0.5 / rest))
        above.add("Add", np.float32(1 - 0.5 / rest))
        level.join("Min" if threshold < 0.5 else "Max", above)
    chain.add("Cast", to=onnx.TensorProto.UINT8)
    sure, other = level.fork("sure"), level.fork("other")
    other.add("Neg")
    other.add("Add", np.float32(1))
    sure.join("Max", other)
    sure.add("Mul", np.float32(255))
    sure.add("Add", np.float32(0.5))
    sure.add("Cast", to=onnx.TensorProto.UINT8)
    labels, confidence = chain.end(LABELS), sure.end(CONFIDENCE)
    nodes = [*labels[0], *above.nodes, *level.nodes, *other.nodes, *confidence[0]]
    return nodes, [*labels[1], *above.constants, *level.constants, *other.constants, *confidence[1]]


def _channels(values: Sequence[float]) -> NDArray[Any]:
    return np.array(values, np.float32).reshape(1, -1, 1, 1)


def _dim(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    return dim.dim_value or dim.dim_param or None


def _sides(plan: OutputPlan, dims: Sequence[int | str | None]) -> list[int | str | None]:
    if plan.upsampled:
        return [*dims[:3]]
    shape = list(plan.info.shape or ())
    if plan.channel_axis is not None:
        shape.pop(plan.channel_axis)
    height, width = shape[-2:]
    return [dims[0], height or "label_rows", width or "label_columns"]
