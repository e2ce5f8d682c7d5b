"""What a family of networks is: how its outputs are recognised, and how objects are read from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.infer.model.spec import FitKind
from streamseg.infer.model.tensors import Tensor

Shapes = Mapping[str, tuple[int, ...]]
"""Of a graph's outputs, by name, as a run gave them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a graph that may be of a family."""

    outputs: Shapes
    size: tuple[int, int]
    """Height, width of the picture that was fed."""
    kind: str = ""
    """What the exporter calls it: Ultralytics' task (`segment`), or Hugging Face's model type (`detr`)."""
    wanted: str | None = None
    """The family that a person says it is of."""
    whole: frozenset[str] = frozenset()
    """Outputs that are of whole numbers."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A graph that is of a family."""

    family: str
    roles: Mapping[str, str]
    """Role to output."""
    classes: int | None
    """How many there are; None where the outputs do not show it."""
    batched: bool = True
    """Whether the first axis of each output counts pictures."""
    zero_is_class: bool = False
    """Whether class id 0, the background as a rule, has scores of its own, so that objects may be of it."""


def given_roles(**outputs: str | None) -> dict[str, str]:
    """Role to output, without those that there are none for."""
    return {role: name for role, name in outputs.items() if name is not None}


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the framework itself does unless told otherwise."""

    normalise: str | None = None
    """A normalisation of `streamseg import`; None: they differ."""
    fit: FitKind = "stretch"
    pad: int = 114
    """Grey of a letterbox's bars, 0..255."""
    least_score: float = 0.25
    most: int = 300
    """Objects in a picture."""
    overlap: float | None = None
    """Intersection over union, 0..1, beyond which the worse of two objects of a class goes; None: none goes."""
    by_category: bool = False
    """Whether class ids of networks trained on COCO are its category numbers, 1 to 90, and not 0 to 79."""
    background_first: bool = False
    """Whether class id 0 is the background, and objects begin at 1."""
    spare_class: bool = False
    """Whether the last class id may be one that no object has."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """What a network found in one picture, in pixels of its input."""

    boxes: NDArray[np.float32]
    """(K, 4) f32: left, top, right, bottom."""
    scores: NDArray[np.float32]
    """(K,) f32, 0..1."""
    class_ids: NDArray[np.int32]
    """(K,) i32."""
    planes: NDArray[np.float32] | None = None
    """(K, h, w) f32 scores over the whole input, or (c, h, w) prototypes of them; None: the boxes are the masks."""
    coefficients: NDArray[np.float32] | None = None
    """(K, c) f32: of the prototypes."""
    threshold: float = 0.0
    """Scores of the planes above it are the object."""
    cropped: bool = True
    """Whether a mask ends at its box."""
    numbers: NDArray[np.int32] | None = None
    """(h, w) i32 over the whole input, instead of planes: each pixel's object, from 1 on; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Which objects count."""

    least_score: float
    most: int
    overlap: float | None

    def best(self, scores: NDArray[np.float32]) -> NDArray[np.intp]:
        """Which of (K,) scores are high enough, best first."""
        kept = np.flatnonzero(scores > self.least_score)
        return kept[np.argsort(-scores[kept], kind="stable")][: self.most]


class Family(Protocol):
    """Networks whose outputs are read alike."""

    name: str
    title: str
    """For people: what exports such networks."""
    roles: tuple[str, ...]
    """What its outputs are, those that every network of it has."""
    least: Mapping[str, tuple[int, int]]
    """Role to an axis of its part of one picture and how long that is at least, less the number of prototypes."""
    defaults: Defaults

    def recognise(self, seen: Seen) -> Recognised | None:
        """The graph as one of this family; None where it is none."""

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """The objects of one picture of (height, width) `size`, best first, from its part of each output by role."""
