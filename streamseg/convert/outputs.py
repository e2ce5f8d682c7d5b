"""Which output of a graph is a segmentation, and how it is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamseg.convert.graph import SQUASHING, argmax_channels, clipped_to_shares, maker
from streamseg.convert.inputs import Probe
from streamseg.convert.job import Job
from streamseg.convert.last_steps import check_ids, check_planes, may_be_first_of_softmax
from streamseg.convert.maps import (
    MOST_CLASSES,
    PictureMap,
    as_map,
    check_covers,
    check_flattened,
    check_name,
    check_unpadded,
)
from streamseg.convert.objects import objects_family
from streamseg.convert.questions import Questions
from streamseg.convert.surgery import OutputPlan
from streamseg.errors import InputError
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo

_KINDS = {"b": "true and false", "i": "whole numbers", "u": "whole numbers"}
Role = Literal["labels", "logits", "probability"]
_DECIDING = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not")
_SIGMOIDS = "sigmoids"
_PLANES = {
    "Softmax": "probabilities",
    "LogSoftmax": "log probabilities",
    **dict.fromkeys(("Sigmoid", "HardSigmoid"), _SIGMOIDS),
}
_ONE_PLANE = ("segformer",)
"""Networks of Hugging Face that are trained with a sigmoid where they have one label."""
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
    one_plane: bool
    """Whether one plane tells an object from its background."""

    @property
    def with_background(self) -> bool:
        """Whether there is a background before the network's own classes."""
        return self.plan.threshold is not None and self.plan.role == "logits"


def guess_output(job: Job, taken: InputSpec, seen: Probe, questions: Questions) -> Found | None:
    """What comes out of the graph, by what came out when it ran; None where that is a question.

    Raises:
        InputError: it is no semantic segmentation.
    """
    source, model, kind = job.source, job.model, job.told.kind
    family = objects_family({name: output.shape for name, output in seen.outputs.items()}, seen.size, kind)
    if family:
        hint = "import takes a class for each pixel, and the objects of --family"
        told = kind and "(Ultralytics)" not in family  # which has what it tells in the file itself
        hint += "; move config.json away where it is another model's" if told else ""
        raise InputError(f"{source}: this looks like {family}", hint)
    chosen = _chosen(job, taken, seen, questions)
    if chosen is None:
        return None
    channels = 1 if chosen.axis is None else chosen.shape[chosen.axis]
    role = _role(job, chosen, channels, questions)
    if role is None:
        return None
    if role == "labels":
        check_ids(source, model, chosen.info.name)
    others = tuple(info.name for info in job.original.outputs if info.name != chosen.info.name)
    plan = _plan(job, chosen, role, channels, seen)
    made_by = maker(model, chosen.info.name)
    one_plane = channels == 1 if role != "labels" else chosen.info.dtype == np.bool_ or made_by in _DECIDING
    classes = 2 if one_plane else argmax_channels(source, chosen.info.name) if role == "labels" else channels
    if (classes or 0) > MOST_CLASSES:
        raise InputError(f"{source}: {classes} classes are beyond the {MOST_CLASSES} that fit a byte")
    planes = _PLANES.get(made_by, "logits")
    if planes == _SIGMOIDS and plan.threshold is None:
        planes += ", even where all of them are low (--threshold 0.5 leaves those to the background)"
    return Found(plan, classes, planes, others, one_plane)


def _chosen(job: Job, taken: InputSpec, seen: Probe, questions: Questions) -> PictureMap | None:
    source, gives = job.source, job.original.outputs
    maps = {info.name: as_map(info, taken, seen, job.hints) for info in gives}
    wanted = job.hints.output if job.hints.output in maps else None
    fitting = [each for name, each in maps.items() if each is not None and wanted in (None, name)]
    if len(fitting) > 1:  # DeepLab and FCN of torchvision, PSPNet and kin: a second head that helps in training alone
        fitting = [each for each in fitting if "aux" not in each.info.name.casefold()] or fitting
    if len(fitting) == 1:
        check_covers(source, fitting[0].info.name, fitting[0].size, seen.size)
        check_name(source, fitting[0].info.name)
        return fitting[0]
    if fitting:
        told = ", ".join(f"{each.info.name} {each.shape}" for each in fitting)
        questions.add(f"several outputs ({told})", "--output NAME says which one is the segmentation")
        return None
    for info in gives:
        check_unpadded(source, info.name, np.shape(seen.outputs[info.name]), seen.size)
        check_flattened(source, info.name, np.shape(seen.outputs[info.name]), seen.size)
    height, width = seen.size
    names = list(maps) if wanted is None else [wanted]
    told = ", ".join(f"'{name}' {np.shape(seen.outputs[name])}" for name in names)
    raise InputError(
        f"{source}: output {told} is no segmentation: its sides have not the proportions of the input {width}x{height}"
    )


def _role(job: Job, chosen: PictureMap, channels: int, questions: Questions) -> Role | None:
    source, model, hints = job.source, job.model, job.hints
    kind, name = chosen.info.dtype.kind, chosen.info.name
    made_by = maker(model, name)
    if hints.role is not None:
        fits = {
            "labels": channels == 1 and made_by not in SQUASHING,
            "logits": kind == "f" and channels <= MOST_CLASSES and not (channels == 1 and made_by in SQUASHING),
            "probability": kind == "f" and channels == 1 and made_by not in ("ArgMax", *_DECIDING),
        }
        if not fits[hints.role]:
            by = f", from {made_by}," if made_by else ""
            raise InputError(f"{source}: output '{name}' of shape {chosen.shape}{by} cannot be {hints.role}", "--role")
        return hints.role
    if channels > 1:
        if kind != "f":
            raise InputError(
                f"{source}: output '{name}' of shape {chosen.shape} holds {channels} planes of {_KINDS[kind]}",
                "export the scores behind them, or their ArgMax",
            )
        assert chosen.axis is not None
        check_planes(source, model, name, chosen.axis, channels, len(chosen.shape))
        return "logits"
    if kind in "iub" or made_by in ("ArgMax", *_DECIDING):
        return "labels"
    if may_be_first_of_softmax(source, name):
        questions.add(
            f"output '{name}' is, or may be, the first plane of a softmax, which is the background as a rule",
            "export the plane of the object; --role probability where it is this one",
        )
        return None
    if made_by in SQUASHING or clipped_to_shares(model, name):
        return "probability"
    if job.told.kind in _ONE_PLANE:
        return "logits"
    questions.add(
        f"output '{name}' is one plane and does not show whether it is 0..1",
        "--role probability, or --role logits where a sigmoid is missing, or --role labels",
    )
    return None


def _plan(job: Job, chosen: PictureMap, role: Role, channels: int, seen: Probe) -> OutputPlan:
    threshold, name = job.hints.threshold, chosen.info.name
    if role == "labels" and threshold is not None:
        raise InputError(f"{job.source}: output '{name}' holds class ids, and no scores", "without --threshold")
    shares = maker(job.model, name) in SQUASHING
    sigmoid = role == "logits" and (channels == 1 or (threshold is not None and not shares))
    declared = chosen.info.shape
    if declared is None or len(declared) != len(chosen.shape):
        declared = (None,) * len(chosen.shape)
    sides = tuple(chosen.shape[i] if i == chosen.axis else side for i, side in enumerate(declared))
    return OutputPlan(
        TensorInfo(name, sides, chosen.info.dtype),
        "probability" if role == "logits" and channels == 1 else role,
        chosen.axis,
        sigmoid,
        threshold,
        upsampled=role != "labels" and _enlarged(job, chosen.size, channels, seen),
    )


def _enlarged(job: Job, size: tuple[int, int], channels: int, seen: Probe) -> bool:
    if job.hints.upsample == "no" or size == seen.size:
        return False
    able = all(entry.version >= 11 for entry in job.model.opset_import if entry.domain in ("", "ai.onnx"))
    if job.hints.upsample == "yes":
        if not able:
            raise InputError(
                f"{job.source}: its scores can be enlarged from opset 11 on", "export it again, or --upsample no"
            )
        return True
    numbers = channels * seen.size[0] * seen.size[1] * (seen.batch or 1)
    return able and size[0] * 2 < seen.size[0] and numbers <= _MOST_ENLARGED
