"""The same frames through two backends, or two files of one model: where their labels differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamseg.errors import InputError
from streamseg.evaluation.scores import confusion, scores
from streamseg.frame import Frame
from streamseg.infer.backends import check_wanted, is_remote, openers
from streamseg.infer.backends.contract import Backend
from streamseg.infer.backends.tensorrt.prepare import prepare
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.network import Network
from streamseg.masks import sampled
from streamseg.redaction import redact

_PRECISIONS = ("fp32", "fp16")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    name: str
    model: Path
    """Whose spec it has."""
    file: Path
    """What is run: the model, or the same graph in another precision."""
    backend: str
    gpu: int = 0
    """The number of an NVIDIA GPU, for a backend that takes one."""

    def open(self, threads: int, file: Path | None = None) -> Backend:
        """Its backend, on `file` or its own.

        Raises:
            InputError, BackendError: it does not run here.
        """
        opener, *_ = openers(
            file or self.file, threads, self.backend, gpu=self.gpu
        ).values()  # of several servers the first
        return opener()


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """A class that at least one of the two found."""

    name: str
    iou: float
    """0..1, of where one and the other found it."""
    shares: tuple[float, float]
    """Of all pixels, 0..1, by one and the other."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two are."""

    one: str
    other: str
    frames: int
    agreement: float
    """Share of the pixels, 0..1, with the same label."""
    least_agreement: float
    """In the frame where it is lowest."""
    miou: float
    """0..1, mean over the classes."""
    classes: tuple[ClassAgreement, ...]


def make_side(model: Path, words: str, folder: Path, gpu: int = 0) -> Side:
    """`words` are BACKEND, BACKEND:PRECISION or a server; a graph in another precision is written into `folder`.

    Raises:
        InputError: there is no such backend or precision, or the model is broken.
    """
    backend, _, precision = (words, "", "") if is_remote(words) else words.partition(":")
    check_wanted(backend)
    if precision not in ("", *_PRECISIONS):
        raise InputError(f"{words}: no precision '{precision}'", f"one of {', '.join(_PRECISIONS)}")
    file = model
    if precision:
        file = folder / f"{model.stem}-{precision}.onnx"
        file.write_bytes(prepare(model, "fp16" if precision == "fp16" else "fp32"))
    return Side(f"{model.stem} on {redact(words)}", model, file, backend, gpu)


def compare(one: Side, other: Side, frames: Iterable[Frame], threads: int) -> Comparison:
    """Runs both on every frame.

    Raises:
        InputError: their classes differ, or there are no frames.
        BackendError: one does not run here.
    """
    names = _shared_classes(one, other)
    networks = [Network(load_spec(side.model), side.open(threads)) for side in (one, other)]
    total = np.zeros((len(names), len(names)), np.int64)
    each: list[float] = []
    for frame in frames:
        first, second = (network([frame])[0].labels for network in networks)
        second = sampled(second, (first.shape[0], first.shape[1]))
        total += confusion(first, second, len(names))
        each.append(float(np.mean(first == second)))
    for network in networks:
        network.close()
    if not each:
        raise InputError("there are no frames to compare on")
    found = scores(total)
    pixels = max(1, int(total.sum()))
    rows = zip(names, found.iou, total.sum(1) / pixels, total.sum(0) / pixels, strict=True)
    classes = tuple(ClassAgreement(name, iou, (float(a), float(b))) for name, iou, a, b in rows if a or b)
    return Comparison(one.name, other.name, len(each), float(np.mean(each)), min(each), found.miou, classes)


def _shared_classes(one: Side, other: Side) -> Sequence[str]:
    first, second = (load_spec(side.model).classes for side in (one, other))
    if first != second:
        raise InputError(f"{one.model.name} and {other.model.name} have other classes: nothing to compare")
    return first
