"""Takes an archive through its workers: what is finished is left out, and what a dead worker had is done again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from streamseg.archive.folder import ResultFolder
from streamseg.archive.row import Row
from streamseg.archive.task import Job, Looked, Lost, Outcome, Progress
from streamseg.archive.worker import failed
from streamseg.errors import InputError

_log = logging.getLogger(__name__)
Run = Callable[[Sequence[Job]], Iterable[Outcome]]
"""Runs jobs, and gives what becomes of each."""


def unfinished(jobs: Iterable[Job], rows: dict[str, Row]) -> list[Job]:
    """Those of which `rows` do not say that they are done, or of which the file has changed since.

    Raises:
        InputError: what is done is of another film that is called the same.
    """
    todo = []
    for job in jobs:
        row = rows.get(job.stem)
        if row is not None and row.done and row.version == job.version:
            continue
        if row is not None and row.done and not _same_place(row.file, job.name):
            raise InputError(
                f"{job.name} would be called {job.stem}, as {row.file} is already", "name another folder for it"
            )
        todo.append(job)
    return todo


def _same_place(name: str, other: str) -> bool:
    """Whether both name one place, a file on a disk or an address."""
    return name.partition("?")[0] == other.partition("?")[0] or Path(name).resolve() == Path(other).resolve()


def run_all(
    jobs: Sequence[Job], run: Run, folder: ResultFolder, stopped: Callable[[], bool], tries: int
) -> Iterator[Row | Looked | Progress]:
    """Runs `jobs`; one whose worker died is tried so many times in all, and has failed then.

    A piece that failed so is left to the worker that runs its film.

    Raises:
        OutputError: what becomes of a film cannot be written.
    """
    tried: Counter[str] = Counter()
    while jobs and not stopped():
        again: list[Job] = []
        for said in run(jobs):
            if not isinstance(said, Lost):
                yield said
                continue
            tried[said.job.key] += 1
            if tried[said.job.key] < tries:
                _log.warning("%s: %s; it is run again", said.job.name, said.reason)
                again.append(said.job)
                continue
            if said.job.piece:
                yield Looked(said.job)
                continue
            row = failed(said.job, InputError(said.reason))
            folder.keep_row(row)
            yield row
        jobs = again
