"""What a network's outputs mean: a reader for each task, from tensors by role to segmentations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer.families import FAMILIES, Family, Limits
from streamseg.infer.instances import paint, place, read_instances
from streamseg.infer.model.geometry import Fit, misfit
from streamseg.infer.model.spec import OBJECT_ROLES, ModelSpec, Task, spec_classes
from streamseg.infer.model.tensors import Tensor
from streamseg.infer.model.validate import channel_axis
from streamseg.infer.postprocess import (
    VOID,
    Plane,
    argmax_planes,
    label_planes,
    probability_planes,
    squeeze,
    strange_labels,
)
from streamseg.said import Said
from streamseg.segmentation import Instances, Segmentation

_log = logging.getLogger(__name__)
Outputs = Mapping[str, Tensor]
"""By role; the first axis counts images, of which only as many mean something as there are frames."""

_A_ROW_EACH = (*OBJECT_ROLES, "classes", "planes")
"""Roles that have one for each object, or for each query."""
_PLANES = ("masks", "planes", "prototypes")


class Reader(Protocol):
    """Reads the outputs of one model."""

    def read(self, frames: Sequence[Frame], fits: Sequence[Fit], outputs: Outputs) -> Iterator[Segmentation]:
        """One segmentation for each of `frames`, which lie in the input as `fits` say."""

    def count(self, output: Tensor) -> int:
        """How many images `output` is of."""

    def cell(self, size: tuple[int, int], outputs: Outputs) -> int:
        """How many pixels of an input of (height, width) one label covers, where that is a whole number; else 1."""


class SemanticReader:
    """A class for each pixel."""

    def __init__(self, spec: ModelSpec, said: Said) -> None:
        self._spec, self._said, self._classes = spec, said, spec_classes(spec)
        self._outside = spec.ignore_index if spec.ignore_index is not None else spec.background or 0

    def read(self, frames: Sequence[Frame], fits: Sequence[Fit], outputs: Outputs) -> Iterator[Segmentation]:
        """Labels and, where the network gives them, how sure it is of each."""
        labels, confidence = self._planes(outputs)
        for i, (frame, fit) in enumerate(zip(frames, fits, strict=True)):
            sure = None if confidence is None else fit.undo(confidence[i], 0)
            whole = fit.undo(labels[i], self._outside)
            yield Segmentation(whole, self._classes, frame.index, frame.time_s, sure)

    def count(self, output: Tensor) -> int:
        """One, where there is no axis that counts."""
        return 1 if output.ndim == 2 else int(output.shape[0])

    def cell(self, size: tuple[int, int], outputs: Outputs) -> int:
        """The ratio of the sides of input and labels.

        Raises:
            InputError: they have not the input's proportions: these are no labels of a picture.
        """
        height, width = self._planes(outputs)[0].shape[1:]
        given = height, width
        if misfit(given, size) is None:
            told = f"labels of {width}x{height} for an input of {size[1]}x{size[0]}"
            raise InputError(f"{self._spec.name}: {told}: the output is no segmentation, or not of this many classes")
        cells = {side // found if side % found == 0 else 1 for side, found in zip(size, given, strict=True)}
        return cells.pop() if len(cells) == 1 else 1

    def _planes(self, outputs: Outputs) -> tuple[Plane, Plane | None]:
        if "probability" in outputs:
            scores = outputs["probability"]
            labels, certain = probability_planes(scores)
            return self._numbers(labels, squeeze(scores)), certain
        sure = outputs.get("confidence")
        confidence = None if sure is None else label_planes(sure)
        if "logits" in outputs:
            logits = outputs["logits"]
            axis = channel_axis(self._spec, logits.shape)
            labels = self._numbers(argmax_planes(logits, axis), logits.take(0, axis))
        else:
            labels = self._named(outputs["labels"])
        if confidence is not None and confidence.shape != labels.shape:
            told = f"labels of {labels.shape}, confidence of {confidence.shape}"
            raise InputError(f"{self._spec.name}: outputs that do not go together: {told}")
        return labels, confidence

    def _numbers(self, labels: Plane, scores: Tensor) -> Plane:
        """`labels`; void where one class's `scores`, as large, are none, as all are behind a value that overflowed."""
        nothing = np.isnan(scores)
        if not nothing.any():
            return labels
        line = f"{self._spec.name}: NaN in place of scores: such pixels are of no class"
        self._said.once(_log, logging.WARNING, f"{line} (a value overflowed: another precision may have room for it)")
        return np.where(nothing, np.uint8(VOID), labels)

    def _named(self, output: Tensor) -> Plane:
        """The graph's own labels; those that have no name are void, which is said."""
        strange = strange_labels(output, len(self._classes), self._classes.ignore_index)
        labels = label_planes(output)
        if strange is None:
            return labels
        line = (
            f"{self._spec.name}: finds label {output.reshape(-1)[strange.argmax()]}, but has names for 0 to "
            f"{len(self._classes) - 1} alone: left undrawn and uncounted (import it again with all --classes)"
        )
        self._said.once(_log, logging.WARNING, line)
        return np.where(strange.reshape(labels.shape), np.uint8(VOID), labels)


class InstanceReader:
    """Objects, each by itself, and labels painted from their masks at the network's own resolution."""

    def __init__(self, spec: ModelSpec, said: Said) -> None:
        self._spec, self._classes = spec, spec_classes(spec)
        self._family = _family(spec) if spec.family else None
        self._limits = Limits(spec.least_score, spec.most, spec.overlap)

    def read(self, frames: Sequence[Frame], fits: Sequence[Fit], outputs: Outputs) -> Iterator[Segmentation]:
        """The objects of each frame."""
        background = self._classes.background or 0
        for i, (frame, fit) in enumerate(zip(frames, fits, strict=True)):
            found = self._objects(self._checked({role: output[i] for role, output in outputs.items()}), fit)
            labels = paint(found, fit.frame, (fit.target.height, fit.target.width), background)
            yield Segmentation(labels, self._classes, frame.index, frame.time_s, None, found)

    def _checked(self, outputs: Outputs) -> Outputs:
        """Those of one picture; raises InputError where they are not of as many objects, or too short to be read."""
        rows = {len(outputs[role]) for role in _A_ROW_EACH if role in outputs}
        empty = any(len(outputs[role]) and not outputs[role].size for role in _PLANES if role in outputs)
        more, least = len(outputs.get("prototypes", ())), self._family.least if self._family else {}
        short = any(outputs[role].shape[axis] < length + more for role, (axis, length) in least.items())
        if len(rows) > 1 or empty or short:
            told = ", ".join(f"{role} of {'x'.join(map(str, output.shape))}" for role, output in outputs.items())
            raise InputError(f"{self._spec.name}: outputs that do not go together: {told}")
        return outputs

    def _objects(self, outputs: Outputs, fit: Fit) -> Instances:
        background = self._classes.background or 0
        if self._family is not None:
            objects = self._family.decode(outputs, fit.size, self._limits)
            return place(objects, fit, len(self._classes), background)
        boxes, scores, class_ids, masks = (outputs[role] for role in OBJECT_ROLES)
        least, n_classes = self._spec.least_score, len(self._classes)
        return read_instances(boxes, scores, class_ids, masks, fit, least, n_classes, background)

    def count(self, output: Tensor) -> int:
        """The first axis."""
        return int(output.shape[0])

    def cell(self, size: tuple[int, int], outputs: Outputs) -> int:
        """Boxes lie on no grid."""
        return 1


def _family(spec: ModelSpec) -> Family:
    """Raises InputError where it is none, or an output of it is missing."""
    if spec.family not in FAMILIES:
        raise InputError(f"{spec.name}: no family '{spec.family}'", f"one of {', '.join(FAMILIES)}")
    family = FAMILIES[spec.family]
    if missing := [role for role in family.roles if role not in spec.outputs]:
        raise InputError(f"{spec.name}: `outputs` of the family {spec.family} needs {' and '.join(missing)}")
    return family


READERS: dict[Task, Callable[[ModelSpec, Said], Reader]] = {"semantic": SemanticReader, "instance": InstanceReader}
