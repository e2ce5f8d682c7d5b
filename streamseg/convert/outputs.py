"""Which output of a graph is a segmentation, and how it is to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from streamseg.convert.class_names import expanded
from streamseg.convert.graph import argmax_channels, maker
from streamseg.convert.hints import Hints
from streamseg.convert.inputs import Probe
from streamseg.convert.objects import objects_family
from streamseg.convert.questions import Questions
from streamseg.convert.surgery import OutputPlan
from streamseg.errors import InputError
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.geometry import misfit
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo

if TYPE_CHECKING:
    import onnx

Role = Literal["labels", "logits", "probability"]
_SQUASHING = ("Sigmoid", "HardSigmoid")
_SHARES = (*_SQUASHING, "Softmax")
_SIGMOIDS = "sigmoids"
_PLANES = {
    "Softmax": "probabilities",
    "LogSoftmax": "log probabilities",
    **dict.fromkeys(_SQUASHING, _SIGMOIDS),
}
_MOST_CLASSES = 256
_MOST_ENLARGED = 1 << 26  # numbers, 256 MB: beyond that scores are enlarged only on request


@dataclass(frozen=True, slots=True)
class Found:
    """The output that is the segmentation."""

    plan: OutputPlan
    classes: int | None
    """How many the network tells apart; None where labels do not show it."""
    planes: str
    """For people: what several planes hold."""
    others: tuple[str, ...]
    """Names of outputs that are left out."""

    @property
    def with_background(self) -> bool:
        """Whether there is a background before the network's own classes."""
        return self.plan.threshold is not None

    @property
    def one_plane(self) -> bool:
        """Whether one plane tells an object from its background."""
        return self.plan.role == "probability" or self.plan.info.dtype == np.bool_


@dataclass(frozen=True, slots=True)
class _Map:
    """An output with the picture's proportions."""

    info: TensorInfo
    shape: tuple[int, ...]
    """As it came."""
    axis: int | None
    """Of the classes, in `shape`."""
    size: tuple[int, int]


def guess_output(
    source: Path,
    model: onnx.ModelProto,
    backend: Backend,
    taken: InputSpec,
    seen: Probe,
    hints: Hints,
    questions: Questions,
    kind: str = "",
) -> Found | None:
    """What comes out of the graph, by what came out when it ran; None where that is a question.

    `kind` is what the exporter calls the model.

    Raises:
        InputError: it is no semantic segmentation.
    """
    family = objects_family({name: output.shape for name, output in seen.outputs.items()}, seen.size, kind)
    if family:
        raise InputError(
            f"{source}: this looks like {family}", "import takes semantic networks, a class for each pixel"
        )
    chosen = _chosen(source, backend, taken, seen, hints, questions)
    if chosen is None:
        return None
    channels = 1 if chosen.axis is None else chosen.shape[chosen.axis]
    role = _role(source, model, chosen, channels, hints, questions)
    if role is None:
        return None
    others = tuple(info.name for info in backend.outputs if info.name != chosen.info.name)
    plan = _plan(source, model, chosen, role, channels, seen, hints)
    if role == "labels":
        classes = 2 if chosen.info.dtype == np.bool_ else argmax_channels(source, chosen.info.name)
    else:
        classes = 2 if channels == 1 else channels
    if (classes or 0) > _MOST_CLASSES:
        raise InputError(f"{source}: {classes} classes are beyond the {_MOST_CLASSES} that fit a byte")
    planes = _PLANES.get(maker(model, chosen.info.name), "logits")
    if planes == _SIGMOIDS and plan.threshold is None:
        planes += ", even where all of them are low (--threshold 0.5 leaves those to the background)"
    return Found(plan, classes, planes, others)


def _chosen(
    source: Path, backend: Backend, taken: InputSpec, seen: Probe, hints: Hints, questions: Questions
) -> _Map | None:
    maps = {info.name: _as_map(info, taken, seen, hints) for info in backend.outputs}
    wanted = hints.output if hints.output in maps else None
    fitting = [each for name, each in maps.items() if each is not None and wanted in (None, name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        told = ", ".join(f"{each.info.name} {each.shape}" for each in fitting)
        questions.add(f"several outputs ({told})", "--output NAME says which one is the segmentation")
        return None
    height, width = seen.size
    names = list(maps) if wanted is None else [wanted]
    told = ", ".join(f"'{name}' {np.shape(seen.outputs[name])}" for name in names)
    raise InputError(
        f"{source}: output {told} is no segmentation: its sides have not the proportions of the input {width}x{height}"
    )


def _as_map(info: TensorInfo, taken: InputSpec, seen: Probe, hints: Hints) -> _Map | None:
    """The output as a map of the picture; None where it is none. How many classes there are says nothing: 150 of them
    come at 128x128 as well, so they lie along the axis without which both sides are the picture's by one scale.
    """
    if info.dtype.kind not in "iufb":
        return None
    shape = np.shape(seen.outputs[info.name])
    rank = len(shape)
    if rank == 2:
        axes: Sequence[int | None] = (None,)
    elif rank == 4:
        axes = (1, 3)
    elif rank == 3:
        axes = (None,) if shape[0] == (seen.batch or 1) else (0, 2)
        axes = (None, 0, 2) if seen.batch is None else axes
    else:
        return None
    if rank == 4 and shape[0] != (seen.batch or 1):
        return None
    names = len(expanded(hints.classes)) if hints.classes else None
    usual = (1 if rank == 4 else 0) if taken.layout == "NCHW" else rank - 1
    fitting = []
    for axis in axes:
        *leading, rows, columns = [side for i, side in enumerate(shape) if i != axis]
        apart = misfit((rows, columns), seen.size)
        if apart is not None and (leading or [1]) == [seen.batch or 1]:
            named = axis is not None and shape[axis] == names
            key = (not named, not _whole((rows, columns), seen.size), round(apart), axis != usual)
            fitting.append((key, _Map(info, shape, axis, (rows, columns))))
    return min(fitting, key=lambda each: each[0])[1] if fitting else None


def _whole(sides: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether `size` is a whole number of times `sides`, rounded up or down; both (height, width)."""
    times = round(size[0] / sides[0])
    return times > 0 and all(have in (full // times, -(-full // times)) for have, full in zip(sides, size, strict=True))


def _role(
    source: Path, model: onnx.ModelProto, chosen: _Map, channels: int, hints: Hints, questions: Questions
) -> Role | None:
    kind, name = chosen.info.dtype.kind, chosen.info.name
    made_by = maker(model, name)
    if hints.role is not None:
        fits = {
            "labels": channels == 1 and made_by not in _SQUASHING,
            "logits": kind == "f" and channels <= _MOST_CLASSES and not (channels == 1 and made_by in _SQUASHING),
            "probability": kind == "f" and channels == 1 and made_by != "ArgMax",
        }
        if not fits[hints.role]:
            by = f", from {made_by}," if made_by else ""
            raise InputError(f"{source}: output '{name}' of shape {chosen.shape}{by} cannot be {hints.role}", "--role")
        return hints.role
    if channels > 1:
        if kind != "f":
            raise InputError(
                f"{source}: output '{name}' of shape {chosen.shape} holds {channels} planes of whole numbers"
            )
        return "logits"
    if kind in "iub" or made_by == "ArgMax":
        return "labels"
    if made_by in _SQUASHING:
        return "probability"
    questions.add(
        f"output '{name}' is one plane and does not show whether it is 0..1",
        "--role probability, or --role logits where a sigmoid is missing, or --role labels",
    )
    return None


def _plan(
    source: Path, model: onnx.ModelProto, chosen: _Map, role: Role, channels: int, seen: Probe, hints: Hints
) -> OutputPlan:
    threshold = hints.threshold if role == "logits" and channels > 1 else None
    shares = maker(model, chosen.info.name) in _SHARES
    sigmoid = role == "logits" and (channels == 1 or (threshold is not None and not shares))
    declared = chosen.info.shape
    if declared is None or len(declared) != len(chosen.shape):
        declared = (None,) * len(chosen.shape)
    sides = tuple(chosen.shape[i] if i == chosen.axis else side for i, side in enumerate(declared))
    return OutputPlan(
        TensorInfo(chosen.info.name, sides, chosen.info.dtype),
        "probability" if role == "logits" and channels == 1 else role,
        chosen.axis,
        sigmoid,
        threshold,
        upsampled=role != "labels" and _enlarged(source, model, chosen.size, channels, seen, hints),
    )


def _enlarged(
    source: Path, model: onnx.ModelProto, size: tuple[int, int], channels: int, seen: Probe, hints: Hints
) -> bool:
    if hints.upsample == "no" or size == seen.size:
        return False
    able = all(entry.version >= 11 for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if hints.upsample == "yes":
        if not able:
            raise InputError(
                f"{source}: its scores can be enlarged from opset 11 on", "export it again, or --upsample no"
            )
        return True
    numbers = channels * seen.size[0] * seen.size[1] * (seen.batch or 1)
    return able and size[0] * 2 < seen.size[0] and numbers <= _MOST_ENLARGED
