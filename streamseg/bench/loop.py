"""What is compared: loops over one clip, and what each of them is given."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.bench.graph import Bare
from streamseg.segmentation import Classes

Labels = NDArray[np.uint8]
"""(h, w) u8."""
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Task:
    """One clip, one network: the same for every loop."""

    clip: Path
    model: str
    """As it was named."""
    file: Path
    fixed: Path
    """The same for one picture of one size: bytes in, labels out."""
    image: str
    """Name of its input, (1, height, width, 3) u8 BGR."""
    labels: str
    """Name of its output, (1, h, w) u8."""
    size: tuple[int, int]
    """Height and width of the input."""
    bare: Bare
    classes: Classes
    threads: int
    gpu: int | None = None
    """The number of an NVIDIA GPU, for what is tuned."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One measurement."""

    frames: int
    wall_s: float
    cpu_s: float
    """Of all threads and processes of the loop."""


class Loop(Protocol):
    """Something that segments a clip, or the network alone."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def runs_on(self) -> str:
        """For people: libraries, versions, threads."""

    @property
    def exact(self) -> bool:
        """Whether its masks must be those of the reference; carried ones cannot be."""

    def labels(self, count: int) -> list[Labels]:
        """Of the first `count` frames; empty for a network alone."""

    def turn(self, seconds: float) -> Turn:
        """Runs from the clip's first frame; the clock starts after a warm-up and stops after `seconds`."""

    def close(self) -> None:
        """Lets go of everything."""


class Inside:
    """A loop in this process: `start` gives a fresh run, which yields labels, or None for a network alone."""

    def __init__(
        self, name: str, runs_on: str, start: Callable[[], Iterator[Labels | None]], *, exact: bool = True
    ) -> None:
        self.name = name
        self.runs_on = runs_on
        self.exact = exact
        self.start = start
        """Gives a fresh run."""

    def labels(self, count: int) -> list[Labels]:
        """See `Loop`."""
        run = self.start()
        found = [labels for labels in itertools.islice(run, count) if labels is not None]
        _end(run)
        return found

    def turn(self, seconds: float) -> Turn:
        """See `Loop`."""
        run = self.start()
        for _ in itertools.islice(run, _WARM_UP):
            pass
        frames, wall_s, cpu_s = 0, time.perf_counter(), time.process_time()
        for _ in run:
            frames += 1
            if time.perf_counter() - wall_s >= seconds:
                break
        turn = Turn(frames, time.perf_counter() - wall_s, time.process_time() - cpu_s)
        _end(run)
        return turn

    def close(self) -> None:
        """Nothing: each run ends by itself."""


def decoded(task: Task) -> Iterator[Any]:
    """The clip as OpenCV reads it, frame by frame, with its threads at work: for the loops that are not ours."""
    cv2.setNumThreads(task.threads)
    capture = cv2.VideoCapture(str(task.clip))
    while True:
        taken, frame = capture.read()
        if not taken:
            return
        yield frame


def _end(run: Iterator[Labels | None]) -> None:
    close = getattr(run, "close", None)
    if close is not None:
        close()
