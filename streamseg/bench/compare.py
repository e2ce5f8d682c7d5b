"""All loops on one clip: masks compared first, then turns in rotation."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamseg.bench import peers, streamseg_loops, upper_bound
from streamseg.bench.clip import long_clip
from streamseg.bench.graph import fix_size, take_apart
from streamseg.bench.loop import Labels, Loop, Task, Turn
from streamseg.bench.subprocess_loop import Elsewhere
from streamseg.capture import open_source
from streamseg.errors import InputError, StreamsegError
from streamseg.infer import network_file
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.model.geometry import input_size
from streamseg.infer.model.spec import spec_classes
from streamseg.infer.tuning_store import Choice, remembered
from streamseg.machine import available_cores
from streamseg.tuning.tune import beside, best, check_variants, chosen, race, some_images

LEAST_AGREEMENT = 0.98
"""Share of the pixels that must get the reference's label before a loop's time counts: each decodes and resizes in its
own way, which alone moves labels that lie near a tie."""
_COMPARED = 60
_TUNED_AGREEMENT = 0.99
_TUNING_S = 10.0


@dataclass(slots=True)
class Row:
    """One loop and how it did."""

    name: str
    runs_on: str = ""
    agreement: float | None = None
    """None for a network alone: the loops above it show that its masks are right."""
    turns: list[Turn] = field(default_factory=list)
    problem: str = ""

    @property
    def rates(self) -> list[float]:
        """Frames a second, turn by turn."""
        return [turn.frames / turn.wall_s for turn in self.turns]

    @property
    def cpu_ms(self) -> float:
        """Processor time a frame, median of the turns."""
        return statistics.median(turn.cpu_s * 1e3 / max(1, turn.frames) for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to compare and how long."""

    model: str
    clip: Path | None = None
    rounds: int = 5
    seconds: float = 2.0
    """Of each turn."""
    inference: Path | None = None
    """An interpreter that has Roboflow's `inference`."""
    ultralytics: Path | None = None
    """An interpreter that has `ultralytics`."""
    gpu: int | None = None
    """The number of an NVIDIA GPU, for what is tuned."""


def compare(wanted: Wanted) -> tuple[Task, list[Row]]:
    """Every loop that can be had here, slowest first as one climbs from the tutorial to the floor.

    Raises:
        InputError: the model is not one that all of them can run: bytes in, labels out.
        StreamsegError: the clip cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as open_loops:
        task = prepare(wanted, Path(folder))
        rows, running = [], []
        expected = streamseg_loops.serial(task).labels(_COMPARED)
        for name, make in _makers(task, wanted, Path(folder)).items():
            row, loop = _opened(name, make, expected)
            rows.append(row)
            if loop is not None:
                open_loops.callback(loop.close)
                running.append((row, loop))
        for turn in range(wanted.rounds):
            for row, loop in running if turn % 2 else reversed(running):
                _take_turn(row, loop, wanted.seconds)
        return task, rows


def prepare(wanted: Wanted, folder: Path) -> Task:
    """Clip and network in the forms that the loops need."""
    file = network_file(wanted.model)
    spec = load_spec(file)
    taken = spec.input
    if "labels" not in spec.outputs or (taken.layout, taken.dtype, taken.colour) != ("NHWC", "uint8", "bgr"):
        raise InputError(f"{file}: bench compares models with bytes in and labels out", "streamseg import makes them")
    clip = long_clip(wanted.clip, folder)
    source = open_source(str(clip))
    frame = (source.info.height, source.info.width)
    source.close()
    size = input_size(taken, frame)
    fixed = folder / "fixed.onnx"
    fix_size(file, size, fixed)
    bare = take_apart(fixed, spec.outputs["labels"], folder / "bare.onnx")
    return Task(
        clip=clip,
        model=wanted.model,
        file=file,
        fixed=fixed,
        image=taken.name or "picture",
        labels=spec.outputs["labels"],
        size=size,
        bare=bare,
        classes=spec_classes(spec),
        threads=available_cores(),
        gpu=wanted.gpu,
    )


def _makers(task: Task, wanted: Wanted, folder: Path) -> dict[str, Callable[[], Loop]]:
    cores = task.threads
    choice = _choice(task)
    makers: dict[str, Callable[[], Loop]] = {
        "naive loop": lambda: streamseg_loops.naive(task),
        "OpenCV DNN": lambda: peers.opencv_dnn(task),
        "Roboflow InferencePipeline": lambda: _elsewhere(task, "inference", wanted.inference, folder),
        "Ultralytics predict": lambda: _elsewhere(task, "ultralytics", wanted.ultralytics, folder),
        "streamseg's steps in turn": lambda: streamseg_loops.serial(task),
        "network by hand": lambda: streamseg_loops.by_hand(task),
        "the pipeline's step": lambda: streamseg_loops.stepped(task),
        "load(model)(frame)": lambda: streamseg_loops.called(task),
        "OpenVINO AsyncInferQueue, f32": lambda: peers.openvino_queue(task, "f32"),
        "streamseg": lambda: streamseg_loops.pipeline(task),
        "streamseg, masks carried": lambda: streamseg_loops.pipeline(task, carried=True),
        "network alone": lambda: upper_bound.alone(task, "ort-cpu", cores, 1),
        "network alone, one session": lambda: upper_bound.alone(task, "ort-cpu", 1, cores),
        "OpenVINO AsyncInferQueue": lambda: peers.openvino_queue(task),
    }
    if (choice.backend, choice.workers, choice.threads, choice.file) != ("ort-cpu", cores, 1, ""):
        file = Path(choice.file or task.file)
        makers["streamseg, tuned"] = lambda: streamseg_loops.pipeline(task, choice)
        makers["streamseg, tuned, masks carried"] = lambda: streamseg_loops.pipeline(task, choice, carried=True)
        makers["network alone, tuned"] = lambda: upper_bound.alone(
            task, choice.backend, choice.workers, choice.threads, file
        )
    return makers


def _choice(task: Task) -> Choice:
    """What is remembered, or what a short tuning on this clip finds; that is not kept."""
    known = remembered(task.file).get("file")
    if known is not None:
        return known
    images = some_images(str(task.clip))
    variants = check_variants(task.file, beside(task.file), images, _TUNED_AGREEMENT)
    return chosen(best(race(task.file, variants, "file", images, task.threads, _TUNING_S), "file"), task.file)


def _elsewhere(task: Task, package: str, python: Path | None, folder: Path) -> Loop:
    if python is None:
        raise ImportError(f"no interpreter named that has it: --{package} PYTHON")
    return Elsewhere(task, package, python, folder)


def _opened(name: str, make: Callable[[], Loop], expected: Sequence[Labels]) -> tuple[Row, Loop | None]:
    """The loop if it is here and right, and the row that says so."""
    row = Row(name)
    try:
        loop = make()
        row.runs_on = loop.runs_on
        labels = loop.labels(len(expected))
    except Exception as error:  # a peer's own classes
        row.problem = _told(error)
        return row, None
    if not labels:
        return row, loop
    row.agreement = _agreement(labels, expected)
    if loop.exact and row.agreement < LEAST_AGREEMENT:
        row.problem = f"masks differ: {row.agreement:.2%} alike"
        loop.close()
        return row, None
    return row, loop


def _take_turn(row: Row, loop: Loop, seconds: float) -> None:
    if row.problem:
        return
    try:
        row.turns.append(loop.turn(seconds))
    except Exception as error:  # a peer's own classes
        row.turns.clear()
        row.problem = _told(error)


def _told(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"not installed: {error}"
    if isinstance(error, StreamsegError):
        return error.message
    return f"does not run: {type(error).__name__}: {' '.join(str(error).split())[:120]}"


def _agreement(labels: Sequence[Labels], expected: Sequence[Labels]) -> float:
    """Mean share of equal pixels; 0 where a frame is missing or of another size."""
    pairs = list(zip(labels, expected, strict=False))
    alike = [float(np.mean(a == b)) if a.shape == b.shape else 0.0 for a, b in pairs]
    return statistics.fmean(alike) if len(alike) == len(expected) else 0.0


def ratios(rows: Sequence[Row]) -> Iterator[tuple[str, str, list[float]]]:
    """Ours over others, round by round: names and quotients."""
    timed = {row.name: row.rates for row in rows if row.turns}
    pairs = [
        ("streamseg", "naive loop"),
        ("streamseg", "Roboflow InferencePipeline"),
        ("streamseg", "Ultralytics predict"),
        ("streamseg", "network alone"),
        ("streamseg, masks carried", "network alone"),
        ("load(model)(frame)", "the pipeline's step"),
        ("load(model)(frame)", "network by hand"),
        ("streamseg, tuned", "naive loop"),
        ("streamseg, tuned", "OpenVINO AsyncInferQueue"),
        ("streamseg, tuned", "network alone, tuned"),
        ("streamseg, tuned, masks carried", "network alone, tuned"),
    ]
    for ours, other in pairs:
        if ours in timed and other in timed:
            yield ours, other, [a / b for a, b in zip(timed[ours], timed[other], strict=True)]
