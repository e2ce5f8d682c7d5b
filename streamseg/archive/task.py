"""What is asked of every film, and what of one; both travel to other processes and machines."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from streamseg.archive.row import Row
from streamseg.config import RunOptions
from streamseg.contracts import Inputs
from streamseg.errors import InputError
from streamseg.redaction import redact
from streamseg.sinks import sink_kind
from streamseg.sinks.claims import named
from streamseg.sinks.names import STEM, with_stem
from streamseg.sinks.query import without_query

_WORD = re.compile(r"([a-z]+):(?!//)")  # as in masks:FOLDER
TABLES = ("summary", "minutes")
"""What is written of the whole archive, as CSV and Parquet."""
NOTHING = "null"
"""The output of who wants the summary alone."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a film: its frames from `start` up to, but without, `end`, and of those every `step`-th."""

    number: int
    """From 0."""
    start: int
    end: int | None
    """None: to the film's end."""
    step: int


@dataclass(frozen=True, slots=True)
class Job:
    """A film that is to be run, or a piece of one that a network is to look at."""

    file: str
    stem: str
    """What its results are called: its name without suffix, below the folder that was named."""
    size: int
    """In bytes, by which the time left is told."""
    version: str
    """Changes with the file."""
    pieces: tuple[Piece, ...] = ()
    """Those of a film that is run once its network has looked at each of them."""
    piece: Piece | None = None
    """The one that this job is of."""

    @property
    def key(self) -> str:
        """Differs from those of all other jobs."""
        return f"{self.stem}#{self.piece.number}" if self.piece else self.stem

    @property
    def name(self) -> str:
        """The file for people: an address without its login."""
        return redact(self.file)


@dataclass(frozen=True, slots=True)
class Progress:
    """A job that is under way."""

    key: str
    share: float
    """Of its frames, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A piece at which the network has looked."""

    job: Job


@dataclass(frozen=True, slots=True)
class Lost:
    """A job whose worker died."""

    job: Job
    reason: str


Outcome: TypeAlias = Row | Looked | Progress | Lost
"""What is heard of a job: a film is done or has failed, a piece was looked at, it is under way, its worker died."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is done with every film."""

    options: RunOptions
    """Those of a run; its source and outputs are each film's own."""
    outputs: tuple[str, ...]
    """Names below the folder, each with `{stem}` in it."""
    folder: str
    """Where results go."""
    cores: int = 1
    """How many a worker may use."""
    trust_engine: bool = False
    """Whether a TensorRT engine that another person built may run."""
    gpus: int = 0
    """How many NVIDIA GPUs the workers take in turn; 0: all take the one that the options name, or the first."""

    def of_worker(self, number: int) -> Task:
        """What the worker of that number does, counted from 0."""
        if not self.gpus:
            return self
        capture = msgspec.structs.replace(self.options.capture, gpu=number % self.gpus)
        return dataclasses.replace(self, options=msgspec.structs.replace(self.options, capture=capture))


def check_outputs(outputs: Sequence[str]) -> None:
    """Looks at the names that results will have.

    Raises:
        InputError: one is not known, writes no file, has no `{stem}`, or leads out of the folder.
    """
    if twice := [output for output, times in Counter(outputs).items() if times > 1]:
        raise InputError(f"--write {twice[0]}: is named twice", "once, or another name")
    for output in outputs:
        kind = sink_kind(output)
        if output == NOTHING:
            continue
        one = output.replace(STEM, "film")
        kind.check(one)
        if kind.names(one, Inputs("film")) is None:
            raise InputError(f"{output}: writes no file, and a batch keeps files", f"'{STEM}.jsonl'")
        if STEM not in output:
            raise InputError(f"{output}: every film would write it", f"name it '{with_stem(output)}'")
        path = Path(without_query(output[_begins(output) :]))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{output}: leads out of the folder of --out", f"a name such as '{STEM}{path.suffix}'")


def outputs_below(folder: Path, outputs: Sequence[str], job: Job) -> tuple[str, ...]:
    """The outputs of one film, below `folder`."""
    inputs = Inputs(job.stem, (Path(job.file),))
    return tuple(_below(folder, output) for output in named(outputs, job.file, inputs))


def _below(folder: Path, output: str) -> str:
    begins = _begins(output)
    return output if output == NOTHING else f"{output[:begins]}{folder}/{output[begins:]}"


def _begins(output: str) -> int:
    """Where the path begins."""
    word = _WORD.match(output)
    return word.end() if word else 0
