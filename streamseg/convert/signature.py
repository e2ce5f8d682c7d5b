"""What an ONNX graph tells of itself, and what only a person can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from streamseg.convert.surgery import OutputPlan
from streamseg.errors import InputError
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.geometry import input_size
from streamseg.infer.model.spec import Colour, FitKind, InputSpec, Layout
from streamseg.infer.model.tensors import Tensor, TensorInfo

if TYPE_CHECKING:
    import onnx

NORMALISATIONS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = MappingProxyType(
    {
        "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
        "0..1": ((0.0,), (255.0,)),
        "-1..1": ((127.5,), (127.5,)),
        "none": ((0.0,), (1.0,)),
    }
)
"""Name to mean and std in 0..255 units; `imagenet` in the order red, green, blue."""

_PASSING = {"Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Resize", "Upsample", "Slice"}
_SQUASHING = {"Sigmoid", "HardSigmoid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the person who imports knows of the model; None is guessed where it can be, else asked for."""

    name: str | None = None
    output: str | None = None
    role: Literal["labels", "logits", "probability"] | None = None
    layout: Layout | None = None
    colour: Colour | None = None
    normalise: str | None = None
    """A key of `NORMALISATIONS`; or give mean and std."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    fit: FitKind = "stretch"
    height: int | None = None
    width: int | None = None
    stride: int | None = None
    classes: tuple[str, ...] | None = None
    colours: tuple[str, ...] | None = None
    background: int | None = None
    ignore_index: int | None = 255
    licence: str = ""
    source: str = ""
    score: str = ""
    summary: str = ""


def guess_input(source: Path, backend: Backend, hints: Hints) -> InputSpec:
    """How a picture enters the graph as it is.

    Raises:
        InputError: it does not take one picture, or normalisation, layout or size must be told.
    """
    if len(backend.inputs) != 1:
        names = ", ".join(info.name for info in backend.inputs)
        raise InputError(f"{source}: expected one input, found {len(backend.inputs)} ({names})")
    info = backend.inputs[0]
    if info.shape is None or len(info.shape) != 4:
        raise InputError(f"{source}: expected an input (N, C, H, W) or (N, H, W, C), found {info.shape}")
    if info.dtype.name not in ("uint8", "float32", "float16"):
        raise InputError(f"{source}: expected an input of uint8, float32 or float16, found {info.dtype}")
    layout = _layout(source, info.shape, hints)
    channels = info.shape[1 if layout == "NCHW" else 3] or 3
    if channels not in (1, 3):
        raise InputError(f"{source}: expected 1 or 3 channels, found {channels}")
    colour: Colour = "grey" if channels == 1 else hints.colour or "rgb"
    height, width = info.shape[2:] if layout == "NCHW" else info.shape[1:3]
    mean, std = _normalisation(source, info, colour, hints)
    try:
        return InputSpec(
            name=info.name,
            layout=layout,
            height=height or hints.height,
            width=width or hints.width,
            dtype=cast(Literal["uint8", "float32", "float16"], info.dtype.name),
            colour=colour,
            mean=mean,
            std=std,
            stride=hints.stride or 32,
        )
    except ValueError as error:
        raise InputError(f"{source}: {error}") from None


def guess_output(source: Path, model: onnx.ModelProto, backend: Backend, taken: InputSpec, hints: Hints) -> OutputPlan:
    """What comes out, seen by running the graph once.

    Raises:
        InputError: it is no semantic segmentation, or there is more than one way to read it.
    """
    info = _chosen(source, backend, hints)
    blank = blank_input(backend, taken)
    shape = backend.run({taken.name or "": blank})[info.name].shape
    if len(shape) not in (3, 4):
        raise InputError(f"{source}: expected an output (N, C, H, W) or (N, H, W), found {shape}")
    axis = _channel_axis(shape, taken, blank.shape, hints)
    channels = 1 if axis is None else shape[axis]
    role = hints.role or _role(source, model, info, channels)
    sigmoid = role == "logits" and channels == 1
    fits = 1 <= channels <= 256 if role == "logits" else channels == 1
    if not fits or (role != "labels" and info.dtype.kind != "f"):
        raise InputError(f"{source}: output '{info.name}' of shape {shape} cannot be {role}")
    declared = info.shape if info.shape is not None and len(info.shape) == len(shape) else (None,) * len(shape)
    sides = tuple(shape[i] if i == axis else side for i, side in enumerate(declared))
    return OutputPlan(TensorInfo(info.name, sides, info.dtype), "probability" if sigmoid else role, axis, sigmoid)


def blank_input(backend: Backend, taken: InputSpec) -> Tensor:
    """Zeros of a shape that the graph takes, free sides filled in."""
    height, width = input_size(taken, (taken.side, taken.side))
    usual = (1, taken.channels, height, width) if taken.layout == "NCHW" else (1, height, width, taken.channels)
    shape = backend.inputs[0].shape or usual
    return np.zeros([side or filled for side, filled in zip(shape, usual, strict=True)], taken.dtype)


def _layout(source: Path, shape: tuple[int | None, ...], hints: Hints) -> Layout:
    if hints.layout is not None:
        return hints.layout
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        raise InputError(f"{source}: input {shape} does not show where its channels are", "--layout NCHW or NHWC")
    return "NCHW" if first else "NHWC"


def _normalisation(
    source: Path, info: TensorInfo, colour: Colour, hints: Hints
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if info.dtype == np.uint8:
        return NORMALISATIONS["none"]
    if hints.normalise is None:
        if hints.mean is None and hints.std is None:
            raise InputError(
                f"{source}: a graph does not tell how its pictures were normalised",
                f"--normalise {', '.join(NORMALISATIONS)}; or --mean and --std in 0..255 units",
            )
        return hints.mean or (0.0,), hints.std or (1.0,)
    if hints.normalise not in NORMALISATIONS:
        raise InputError(f"no normalisation '{hints.normalise}'", f"one of {', '.join(NORMALISATIONS)}")
    mean, std = NORMALISATIONS[hints.normalise]
    return (mean[::-1], std[::-1]) if colour == "bgr" else (mean, std)


def _chosen(source: Path, backend: Backend, hints: Hints) -> TensorInfo:
    names = ", ".join(info.name for info in backend.outputs)
    if hints.output is None and len(backend.outputs) != 1:
        raise InputError(f"{source}: several outputs ({names})", "--output NAME says which one is the segmentation")
    for info in backend.outputs:
        if hints.output in (None, info.name):
            if info.dtype.kind not in "iuf":
                raise InputError(f"{source}: output '{info.name}' holds no numbers")
            return info
    raise InputError(f"{source}: expected output '{hints.output}', found {names}")


def _channel_axis(shape: tuple[int, ...], taken: InputSpec, fed: tuple[int, ...], hints: Hints) -> int | None:
    """Classes lie along the axis without which both sides are the picture's by one scale; else where the input has
    its channels. How many there are says nothing: 150 classes come at 128x128 as well.
    """
    if len(shape) == 3:
        return None
    named = [axis for axis in (1, 3) if hints.classes is not None and shape[axis] == len(hints.classes)]
    usual = 1 if taken.layout == "NCHW" else 3
    height, width = fed[2:] if taken.layout == "NCHW" else fed[1:3]

    def misfit(axis: int) -> float:
        rows, columns = shape[2:] if axis == 1 else shape[1:3]
        return abs(rows / height - columns / width) * max(height, width)

    return min(named or (1, 3), key=lambda axis: (round(misfit(axis)), axis != usual))


def _role(
    source: Path, model: onnx.ModelProto, info: TensorInfo, channels: int
) -> Literal["labels", "logits", "probability"]:
    if info.dtype.kind in "iu":
        return "labels"
    if channels > 1:
        return "logits"
    makers = {name: node for node in model.graph.node for name in node.output}
    node = makers.get(info.name)
    while node is not None and node.op_type in _PASSING and node.input:
        node = makers.get(node.input[0])
    if node is not None and node.op_type in _SQUASHING:
        return "probability"
    raise InputError(
        f"{source}: output '{info.name}' is one plane and does not show whether it is 0..1",
        "--role probability, or --role logits where a sigmoid is missing",
    )
