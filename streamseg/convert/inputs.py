"""How a picture enters a graph, as far as the graph shows it, and what a run of it on a blank one gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from streamseg.convert.graph import axis_names
from streamseg.convert.hints import NORMALISATIONS, USUAL_STRIDE, Hints, normalisation
from streamseg.convert.neighbours import Told
from streamseg.convert.questions import Questions
from streamseg.errors import InputError, StreamsegError
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.geometry import input_size
from streamseg.infer.model.spec import Colour, InputSpec, Layout
from streamseg.infer.model.tensors import Tensor, TensorInfo

if TYPE_CHECKING:
    import onnx

_CHANNELS = (1, 3)
_FEW = 16  # channels of a picture of any kind: fewer than it has rows
_TYPES = ("uint8", "float32", "float16")


@dataclass(frozen=True, slots=True)
class Probe:
    """One run of the graph on a blank picture."""

    shape: tuple[int, ...]
    """What was fed: (N, C, H, W) or (N, H, W, C), or without N where the graph has none."""
    size: tuple[int, int]
    """Height, width of what was fed."""
    outputs: Mapping[str, Tensor]

    @property
    def batch(self) -> int | None:
        """None where the graph has no axis for it."""
        return self.shape[0] if len(self.shape) == 4 else None


def guess_input(source: Path, backend: Backend, hints: Hints, questions: Questions) -> InputSpec | None:
    """How a picture enters the graph as it is; None where it is not even known which axis is which.

    A free number of channels is that of `hints.colour`; normalisation that nothing tells is a question.

    Raises:
        InputError: it takes no picture of one or three channels.
    """
    info = _only(source, backend)
    layout = hints.layout or _layout(source, info.shape or (), questions)
    if layout is None:
        _normalisation(info, hints.colour or "rgb", hints, questions)  # so that both are asked at once
        return None
    sides = (info.shape or ())[-3:]
    channels, height, width = sides if layout == "NCHW" else (sides[2], *sides[:2])
    _check_channels(source, channels or 3)
    colour: Colour = "grey" if channels == 1 else hints.colour or "rgb"
    if colour == "grey" and channels not in (None, 1):
        raise InputError(f"{source}: takes 3 channels, not a grey picture", "--colour rgb, or bgr")
    mean, std = _normalisation(info, colour, hints, questions)
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
            stride=hints.stride or USUAL_STRIDE,
        )
    except ValueError as error:
        raise InputError(f"{source}: {error}") from None


def free_axes(source: Path, model: onnx.ModelProto, info: TensorInfo, told: Told) -> Hints:
    """Layout and colour of an input `info` none of whose sides is a number of channels, as far as something tells.

    Axes have the names that the exporter gave them; what is `told` comes of PyTorch, which has channels first.

    Raises:
        InputError: the channels are none of a picture.
    """
    if len(info.shape or ()) < 3 or {*(info.shape or ())[-3:]} & {*_CHANNELS}:
        return Hints()
    layout = _named_layout(axis_names(model, info.name)[-3:]) or ("NCHW" if told.kind else None)
    if told.channels is not None:
        _check_channels(source, told.channels)
    return Hints(layout=layout, colour="grey" if told.channels == 1 else None)


def _named_layout(names: Sequence[str]) -> Layout | None:
    first, second, third = (name.casefold() for name in names)
    if "channel" in first or ("height" in second and "width" in third):
        return "NCHW"
    if "channel" in third or ("height" in first and "width" in second):
        return "NHWC"
    return None


def probe(backend: Backend, taken: InputSpec) -> Probe:
    """Runs the graph on zeros; where both sides are free on a picture that is no square, which tells more.

    Raises:
        InputError, BackendError: it does not run.
    """
    wide = (taken.side * 3 // 4, taken.side)
    try:
        return _probe(backend, taken, wide)
    except StreamsegError:
        if taken.height is not None or taken.width is not None:
            raise
    try:
        return _probe(backend, taken, (taken.side, taken.side))
    except InputError as error:
        hint = "--height and --width say what size it takes, or --stride what its sides are multiples of"
        raise InputError(error.message, hint) from None


def _probe(backend: Backend, taken: InputSpec, frame: tuple[int, int]) -> Probe:
    usual = taken.shape(1, input_size(taken, frame))
    declared = backend.inputs[0].shape or usual
    shape = tuple(side or filled for side, filled in zip(declared, usual[-len(declared) :], strict=True))
    height, width = taken.sides(shape)
    return Probe(shape, (height, width), backend.run({taken.name or "": np.zeros(shape, taken.dtype)}))


def check_fixed(source: Path, backend: Backend, given: Hints) -> None:
    """Raises InputError where the graph fixes a side at something else than `given` says."""
    info = _only(source, backend)
    layout = given.layout or _layout(source, info.shape or (), Questions(source))
    sides = (info.shape or ())[-2:] if layout == "NCHW" else (info.shape or ())[-3:-1]
    for name, side, wanted in zip(("height", "width"), sides, (given.height, given.width), strict=True):
        if layout and None not in (side, wanted) and side != wanted:
            raise InputError(f"{source}: its {name} is fixed at {side}, not {wanted}", "export it again at that size")


def _only(source: Path, backend: Backend) -> TensorInfo:
    if len(backend.inputs) != 1:
        names = ", ".join(info.name for info in backend.inputs)
        raise InputError(f"{source}: expected one input, found {len(backend.inputs)} ({names})")
    info = backend.inputs[0]
    if info.shape is None or len(info.shape) not in (3, 4):
        raise InputError(f"{source}: expected an input (N, C, H, W) or (N, H, W, C), found {info.shape}")
    if info.dtype.name not in _TYPES:
        kind = "numbers that NumPy has no type for" if info.dtype.kind == "O" else info.dtype.name
        hint = "frames have 8 bits a channel" if info.dtype.kind in "iu" else "export it in float32 or float16"
        raise InputError(f"{source}: expected an input of uint8, float32 or float16, found {kind}", hint)
    return info


def _layout(source: Path, shape: tuple[int | None, ...], questions: Questions) -> Layout | None:
    """By the axis that has 1 or 3 entries; an axis of a few others is one of channels that no frame has."""
    sides = shape[-3:]
    first, last = sides[0] in _CHANNELS, sides[2] in _CHANNELS
    if first != last:
        return "NCHW" if first else "NHWC"
    if not first:
        for channels, others in ((sides[0], sides[1:]), (sides[2], sides[:2])):
            if channels is not None and channels <= _FEW < min(side or _FEW + 1 for side in others):
                _check_channels(source, channels)
    questions.add(f"input {shape} does not show where its channels are", "--layout NCHW or NHWC")
    return None


def _check_channels(source: Path, channels: int) -> None:
    if channels not in _CHANNELS:
        raise InputError(f"{source}: takes {channels} channels: frames have 3, or as grey pictures 1")


def _normalisation(
    info: TensorInfo, colour: Colour, hints: Hints, questions: Questions
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if info.dtype == np.uint8:
        return NORMALISATIONS["none"]
    known = normalisation(hints, colour)
    if known is None:
        fitting = [name for name, (mean, _) in NORMALISATIONS.items() if colour != "grey" or len(mean) == 1]
        questions.add(
            "a graph does not tell how its pictures were normalised",
            f"--normalise {', '.join(fitting)}; or --mean and --std",
        )
    return known or NORMALISATIONS["none"]
