"""Runs one film after the other, with a model that stays loaded."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from streamseg.archive.folder import ResultFolder
from streamseg.archive.pieces import options_of
from streamseg.archive.row import Row, Tally
from streamseg.archive.store import at_hand
from streamseg.archive.stored import MaskWriter, StoredMasks, remembering
from streamseg.archive.task import Job, Looked, Task, outputs_below
from streamseg.assembly import assemble
from streamseg.config import RunOptions
from streamseg.contracts import Controls, Segmenter, SegmenterFactory, Sink
from streamseg.errors import BackendError, StreamsegError, printable
from streamseg.files import make_folder
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.machine import limit_cores
from streamseg.pipeline.pipeline import Pipeline
from streamseg.redaction import redact
from streamseg.said import Said
from streamseg.segmentation import Segmentation
from streamseg.signals import SIGNALS

_TELL_S = 1.0
_MOST_WARNINGS = 20
_FAILURES = (StreamsegError, OSError, MemoryError, ImportError, ValueError)


class Worker:
    """What does a `Task` with one film after the other; belongs to one thread, and to a process of its own."""

    def __init__(self, task: Task) -> None:
        limit_cores(task.cores)
        self._task, self._said = task, Said()
        self._folder = ResultFolder(Path(task.folder))
        self._recipe: SegmenterFactory | None = None

    def __call__(self, job: Job, tell: Callable[[float], None] = lambda share: None) -> Row | Looked | None:
        """Runs a film and keeps its results and its row; None where it was asked to stop, and nothing is kept.

        Of a piece it keeps what the network finds; what fails there, the film's own run will tell of.

        `tell` gets the share of it that is done, 0 to 1, once a second; whatever it raises ends the film.

        Raises:
            OutputError: not even its row can be written.
        """
        with _warnings() as said:
            if job.piece:
                return self._look(job, tell)
            try:
                return self._run(job, tell, said)
            except _FAILURES as error:
                row = failed(job, error, said)
                self._folder.keep_row(row)
                return row

    def _run(self, job: Job, tell: Callable[[float], None], said: list[str]) -> Row | None:
        started_s, tally = time.monotonic(), Tally()
        with (
            self._folder.stage() as stage,
            at_hand(job.file, self._folder.stage) as source,
            contextlib.closing(StoredMasks(self._folder.masks(job))) as stored,
        ):
            asked = self._task.options
            options = msgspec.structs.replace(
                asked,
                source=source,
                outputs=outputs_below(stage, self._task.outputs, job),
                effort=asked.effort or "quick",  # else a film's masks would hang on what is quicker where it is run
            )
            load = functools.partial(self._load_with, stored) if job.pieces else self._load
            pipeline = self._to_its_end(options, load, tally, tell, job.stem)
            if pipeline is None:
                return None
            row = Row(
                file=job.name,
                results=job.stem,
                version=job.version,
                frames=tally.frames,
                failed_frames=pipeline.metrics().failed,
                seconds=tally.seconds,
                took_s=round(time.monotonic() - started_s, 3),
                classes=tally.classes(),
                events=tally.events,
                minutes=tally.minutes(),
                warnings=tuple(said),
            )
            self._folder.keep(stage, row)
            return row

    def _look(self, job: Job, tell: Callable[[float], None]) -> Looked | None:
        (target,) = self._folder.masks(job)
        if target.exists():
            return Looked(job)
        with self._folder.stage() as stage:
            with contextlib.suppress(*_FAILURES), contextlib.closing(MaskWriter(stage / "masks")) as writer:
                if self._to_its_end(options_of(self._task.options, job), self._load, writer, tell) is None:
                    return None
            with contextlib.suppress(*_FAILURES):
                make_folder(target.parent)
                (stage / "masks").replace(target)
        return Looked(job)

    def _to_its_end(
        self,
        options: RunOptions,
        load: Callable[..., SegmenterFactory],
        sink: Sink,
        tell: Callable[[float], None],
        name: str = "",
    ) -> Pipeline | None:
        """The pipeline of `options`, which has run; None where it was asked to stop before its end."""
        controls, trust_engine = Controls(), self._task.trust_engine
        pipeline = assemble(
            options, controls, load=load, more_sinks=[sink], trust_engine=trust_engine, said=self._said, name=name
        )
        with SIGNALS.calling(pipeline.stop):
            _follow(pipeline, tell)
        return None if controls.quit else pipeline

    def _load_with(self, stored: StoredMasks, *asked: object, **more: object) -> SegmenterFactory:
        return remembering(self._load(*asked, **more), stored)

    def _load(self, *asked: object, **more: object) -> SegmenterFactory:
        if self._recipe is None:
            recipe = kept(load_segmenter(*asked, **more))  # type: ignore[arg-type]
            self._recipe = replace(recipe, licence="")  # who began the archive was told of it
        return self._recipe


def failed(job: Job, error: Exception, said: list[str] | None = None) -> Row:
    """The row of a film that could not be run."""
    code = error.exit_code if isinstance(error, StreamsegError) else BackendError.exit_code
    line = printable(redact(" ".join(str(error).split()))) or type(error).__name__
    return Row(
        file=job.name,
        results=job.stem,
        version=job.version,
        warnings=tuple(said or ()),
        error=line,
        exit_code=code,
    )


def kept(recipe: SegmenterFactory) -> SegmenterFactory:
    """`recipe`, whose segmenters are used again for the next film; not those that remember earlier frames."""
    if not recipe.parallel:
        return recipe
    tuned = {goal: replace(each, make=_Shelf(each.make)) for goal, each in recipe.tuned.items()}
    return replace(recipe, make=_Shelf(recipe.make), tuned=tuned)


class _Shelf:
    """Segmenters that nobody uses now."""

    def __init__(self, make: Callable[[int], Segmenter]) -> None:
        self._make = make
        self._free: list[Segmenter] = []

    def __call__(self, threads: int) -> Segmenter:
        try:
            return _Lent(self._free.pop(), self._free)
        except IndexError:
            return _Lent(self._make(threads), self._free)


class _Lent:
    """A segmenter that is put back when it is closed, unless it has failed."""

    def __init__(self, segmenter: Segmenter, free: list[Segmenter]) -> None:
        self._segmenter, self._free, self._sound = segmenter, free, True
        self.classes = segmenter.classes

    @property
    def scale(self) -> float:
        return self._segmenter.scale

    @scale.setter
    def scale(self, scale: float) -> None:
        self._segmenter.scale = scale

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        self._sound = False
        found = self._segmenter(frames)
        self._sound = True
        return found

    def close(self) -> None:
        if self._sound:
            self._free.append(self._segmenter)
        else:
            self._segmenter.close()
        self._sound = False


def _follow(pipeline: Pipeline, tell: Callable[[float], None]) -> None:
    total, due_s = pipeline.source.info.frames, time.monotonic() + _TELL_S
    for position, _ in enumerate(pipeline, 1):
        if (now_s := time.monotonic()) >= due_s:
            due_s = now_s + _TELL_S
            tell(min(1.0, position / total) if total else 0.0)


@contextlib.contextmanager
def _warnings() -> Iterator[list[str]]:
    """What is logged of a film as a warning."""
    said: list[str] = []
    handler = _List(said)
    log = logging.getLogger("streamseg")
    log.addHandler(handler)
    try:
        yield said
    finally:
        log.removeHandler(handler)


class _List(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._lines) < _MOST_WARNINGS:
            self._lines.append(printable(redact(record.getMessage())))
