"""Every backend with every share of the cores takes turns; wrong masks are refused, and the slower half drops out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError, StreamsegError
from streamseg.frame import Frame, Image
from streamseg.infer.backends import BACKENDS, ON_REQUEST, open_backend
from streamseg.infer.backends.tensorrt.cache import file_sha256
from streamseg.infer.catalogue import load_spec
from streamseg.infer.network import Network
from streamseg.infer.spec import ModelSpec
from streamseg.infer.tuned import Choice, Goal
from streamseg.tuning.measure import Turn, measure

REFERENCE = "ort-cpu"
_FINALISTS = 3
_AS_QUICK = 0.95  # a candidate this near to the quickest is as quick, and the one with the least processor time wins
_SPINS = "ort-cpu-spin"


@dataclass(frozen=True, slots=True)
class Variant:
    """One backend on one file: it gives the same masks whatever the cores are."""

    backend: str
    file: Path
    agreement: float = 0.0
    """Share of the pixels, 0..1, that get the reference's label."""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant with a share of the cores, and how its turns went."""

    variant: Variant
    workers: int
    threads: int
    turns: list[Turn] = field(default_factory=list)

    # The best turn of each tells of the candidate; the others tell of what else the machine was doing.

    @property
    def rate(self) -> float:
        """Frames a second."""
        return max(turn.rate for turn in self.turns)

    @property
    def latency_ms(self) -> float:
        """From a frame to its picture."""
        return min(turn.latency_ms for turn in self.turns)

    @property
    def cpu_ms(self) -> float:
        """Processor time a frame."""
        return min(turn.cpu_ms for turn in self.turns)


def check_variants(file: Path, others: Sequence[Path], images: Sequence[Image], least: float) -> list[Variant]:
    """Every backend on `file` and on the same network in `others`, each compared with ONNX Runtime in fp32 on `images`.

    Refused are those that cannot run here and those that agree on less than `least` (0..1) of the pixels.

    Raises:
        InputError: `file` itself is wrong; an other file holds another network.
        BackendError: ONNX Runtime does not run `file`.
    """
    spec = load_spec(file)
    for other in others:
        if load_spec(other).classes != spec.classes:
            raise InputError(f"{other}: other classes than {file.name}: not the same network")
    expected = _masks(spec, file, REFERENCE, images)
    names = [REFERENCE, *(name for name in BACKENDS | ON_REQUEST if name != REFERENCE)]
    pairs = itertools.product((file, *others), names)
    return [_checked(spec, Variant(name, path), images, expected, least) for path, name in pairs]


def race(
    file: Path, variants: Sequence[Variant], goal: Goal, images: Sequence[Image], cores: int, seconds: float
) -> list[Candidate]:
    """Lets the variants that were not refused take turns for about `seconds`; best first, each has had one turn.

    After two turns the slower half drops out, and so on.
    """
    spec = load_spec(file)
    candidates = [
        Candidate(variant, workers, threads)
        for variant in variants
        if not variant.refused
        for workers, threads in shares(goal, cores)
        if variant.backend != _SPINS or threads > 1
    ]
    turn_s = min(1.0, max(0.1, seconds / 6 / max(1, len(candidates))))
    ends_s = time.monotonic() + seconds
    running = candidates
    while True:
        for candidate in running * 2:
            if candidate.turns and time.monotonic() > ends_s:
                return sorted(candidates, key=lambda each: _badness(each, goal))
            candidate.turns.append(_turn(spec, candidate, images, turn_s))
        running = sorted(running, key=lambda each: _badness(each, goal))
        running = running[: max(_FINALISTS, len(running) // 2)]


def best(candidates: Sequence[Candidate], goal: Goal) -> Candidate:
    """The quickest; of those that are as quick, the one that takes the least processor time."""
    least = min(_badness(candidate, goal) for candidate in candidates)
    as_quick = [candidate for candidate in candidates if _badness(candidate, goal) <= least / _AS_QUICK]
    return min(as_quick, key=lambda candidate: candidate.cpu_ms)


def chosen(candidate: Candidate, file: Path) -> Choice:
    """What is worth remembering."""
    other = candidate.variant.file if candidate.variant.file != file else None
    return Choice(
        backend=candidate.variant.backend,
        workers=candidate.workers,
        threads=candidate.threads,
        file=str(other.resolve()) if other else "",
        file_sha256=file_sha256(other) if other else "",
        agreement=candidate.variant.agreement,
        rate=candidate.rate,
    )


def shares(goal: Goal, cores: int) -> Iterator[tuple[int, int]]:
    """Workers and threads of each: live one worker, on a file as many as fill the cores."""
    for threads in sorted({*(1 << power for power in range(cores.bit_length())), cores}):
        yield 1 if goal == "live" else cores // threads, threads


def _badness(candidate: Candidate, goal: Goal) -> float:
    """Milliseconds: until a live picture is there, or between two of a file."""
    return candidate.latency_ms if goal == "live" else 1e3 / candidate.rate


def _turn(spec: ModelSpec, candidate: Candidate, images: Sequence[Image], seconds: float) -> Turn:
    def make() -> Network:
        return Network(spec, open_backend(candidate.variant.file, candidate.threads, candidate.variant.backend))

    return measure(make, candidate.workers, images, seconds)


def _checked(
    spec: ModelSpec, variant: Variant, images: Sequence[Image], expected: Sequence[NDArray[np.uint8]], least: float
) -> Variant:
    try:
        masks = _masks(spec, variant.file, variant.backend, images)
    except StreamsegError as error:
        return Variant(variant.backend, variant.file, 0.0, error.message.rpartition("runs it here: ")[2])
    agreement = float(np.mean([np.mean(a == b) for a, b in zip(masks, expected, strict=True)]))
    refused = f"masks differ: {agreement:.2%} alike, {least:.2%} asked" if agreement < least else ""
    return Variant(variant.backend, variant.file, agreement, refused)


def _masks(spec: ModelSpec, file: Path, backend: str, images: Sequence[Image]) -> list[NDArray[np.uint8]]:
    network = Network(spec, open_backend(file, 1, backend))
    try:
        return [network([Frame(image, index, 0.0, 0.0)])[0].labels for index, image in enumerate(images)]
    finally:
        network.close()
