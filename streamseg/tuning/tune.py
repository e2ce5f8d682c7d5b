"""Every backend with every share of the cores takes turns; wrong masks are refused, and the slower half drops out."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamseg.capture import open_source
from streamseg.errors import BackendError, InputError, StreamsegError
from streamseg.frame import Frame, Image
from streamseg.infer.backends import BACKENDS, ON_REQUEST, open_backend, paying_workers
from streamseg.infer.backends.contract import AbsentError
from streamseg.infer.backends.faults import stepping_down
from streamseg.infer.instances import alike
from streamseg.infer.memory import refuse_states
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.model.onnxfile import model_sha256
from streamseg.infer.model.spec import ModelSpec
from streamseg.infer.network import Network
from streamseg.infer.tuning_store import Choice, Goal
from streamseg.segmentation import Segmentation
from streamseg.tuning.measure import Turn, measure

IN_8_BITS = "-int8"
"""At the end of the name of a model's copy in 8 bits."""
_IMAGES = 16
_STRIDE = 10  # neighbours in a video say the same

_log = logging.getLogger(__name__)
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
    """Share of the pixels with the reference's label, 0..1; or of the objects that are its own, where that is less."""
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


def check_variants(
    file: Path, others: Sequence[Path], images: Sequence[Image], least: float, gpu: int = 0
) -> list[Variant]:
    """Every backend on `file` and on the same network in `others`, each compared with ONNX Runtime in fp32 on `images`.

    Refused are those that cannot run here and those that agree on less than `least` (0..1) of the pixels
    or of the objects; those for a device that is not here are left out. `gpu` is the number of an NVIDIA GPU.

    Raises:
        InputError: `file` itself is wrong; an other file holds another network.
        BackendError: ONNX Runtime does not run `file`.
    """
    spec = load_spec(file)
    refuse_states(spec, file, "`tune`")
    for other in others:
        if load_spec(other).classes != spec.classes:
            raise InputError(f"{other}: other classes than {file.name}: not the same network")
    expected = _found(spec, file, REFERENCE, images)
    names = [REFERENCE, *(name for name in BACKENDS | ON_REQUEST if name != REFERENCE)]
    pairs = itertools.product((file, *others), names)
    checked = (_checked(spec, Variant(name, path), images, expected, least, gpu) for path, name in pairs)
    return [variant for variant in checked if variant is not None]


def race(
    file: Path,
    variants: Sequence[Variant],
    goal: Goal,
    images: Sequence[Image],
    cores: int,
    seconds: float,
    gpu: int = 0,
) -> list[Candidate]:
    """Lets the variants that were not refused take turns for about `seconds`; best first, each has had one turn.

    After two turns the slower half drops out, and so on; so does what fails, such as one worker too many for a GPU.
    """
    spec = load_spec(file)
    candidates = [
        Candidate(variant, workers, threads)
        for variant in variants
        if not variant.refused
        for workers, threads in shares(goal, cores, variant.backend)
        if variant.backend != _SPINS or threads > 1
    ]
    turn_s = min(1.0, max(0.1, seconds / 6 / max(1, len(candidates))))
    ends_s = time.monotonic() + seconds
    running = list(candidates)
    while True:
        for candidate in running * 2:
            if candidate.turns and time.monotonic() > ends_s:
                return sorted(candidates, key=lambda each: _badness(each, goal))
            if candidate in candidates and not _takes_turn(spec, candidate, images, turn_s, gpu):
                candidates.remove(candidate)
        running = sorted((each for each in running if each in candidates), key=lambda each: _badness(each, goal))
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
        file_sha256=model_sha256(other) if other else "",
        agreement=candidate.variant.agreement,
        rate=candidate.rate,
    )


def shares(goal: Goal, cores: int, backend: str = REFERENCE) -> Iterator[tuple[int, int]]:
    """Workers and threads of each: live one worker, on a file as many as fill the cores; as many as pay on a GPU."""
    if most := paying_workers(backend):
        for workers in range(1, 2 if goal == "live" else 2 * most + 1):
            yield workers, max(1, cores // workers)
        return
    for threads in sorted({*(1 << power for power in range(cores.bit_length())), cores}):
        yield 1 if goal == "live" else cores // threads, threads


def _badness(candidate: Candidate, goal: Goal) -> float:
    """Milliseconds: until a live picture is there, or between two of a file."""
    return candidate.latency_ms if goal == "live" else 1e3 / candidate.rate


def _takes_turn(spec: ModelSpec, candidate: Candidate, images: Sequence[Image], seconds: float, gpu: int) -> bool:
    """Whether it came to the end of its turn."""
    backend, file = candidate.variant.backend, candidate.variant.file

    def make() -> Network:
        return Network(spec, open_backend(file, candidate.threads, backend, gpu=gpu))

    try:
        with stepping_down(backend, gpu):
            candidate.turns.append(measure(make, candidate.workers, images, seconds))
    except BackendError as error:
        if backend == REFERENCE:
            raise
        _log.debug("%s, %d workers: %s", backend, candidate.workers, error)
        return False
    return True


def _checked(
    spec: ModelSpec, variant: Variant, images: Sequence[Image], expected: Sequence[Segmentation], least: float, gpu: int
) -> Variant | None:
    try:
        with stepping_down(variant.backend, gpu):
            found = _found(spec, variant.file, variant.backend, images, gpu)
    except AbsentError as error:
        _log.debug("%s", error)
        return None
    except StreamsegError as error:
        reason = error.reason if isinstance(error, BackendError) else error.message
        return Variant(variant.backend, variant.file, 0.0, reason)
    labels, objects = alike(zip(found, expected, strict=True))
    agreement, what = min((labels, "masks"), (1.0 if objects is None else objects, "objects"))
    refused = f"{what} differ: {agreement:.2%} alike, {least:.2%} asked" if agreement < least else ""
    return Variant(variant.backend, variant.file, agreement, refused)


def _found(spec: ModelSpec, file: Path, backend: str, images: Sequence[Image], gpu: int = 0) -> list[Segmentation]:
    network = Network(spec, open_backend(file, 1, backend, gpu=gpu))
    try:
        return [network([Frame(image, index, 0.0, 0.0)])[0] for index, image in enumerate(images)]
    finally:
        network.close()


def some_images(uri: str) -> list[Image]:
    """Pictures out of a folder or clip, some apart.

    Raises:
        InputError: there are none.
        StreamsegError: it cannot be read.
    """
    source = open_source(uri)
    try:
        stride = min(_STRIDE, max(1, (source.info.frames or 1) // _IMAGES))
        images = [frame.image for frame in itertools.islice(source, 0, stride * _IMAGES, stride)]
    finally:
        source.close()
    if not images:
        raise InputError(f"{uri}: no pictures in it")
    return images


def beside(file: Path) -> Sequence[Path]:
    """The same network in 8 bits, where it lies beside the model."""
    other = file.with_name(f"{file.stem}{IN_8_BITS}.onnx")
    return [other] if other.is_file() else []
