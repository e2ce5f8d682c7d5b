"""What a person sees while an archive runs: a line a film, and on a terminal a bar, with the time that is left."""

from __future__ import annotations

import sys
import time
import typing
from collections.abc import Sequence

from streamseg.archive.row import Row
from streamseg.archive.task import Job, Looked, Progress
from streamseg.commands.failure import say

if typing.TYPE_CHECKING:
    from rich.progress import Progress as Bar


_OF_PIECES = 0.1  # what a film takes once its network has looked at its pieces, beside what the pieces take


class Follower:
    """`with Follower(todo, before) as follower:` says what it hears; `before` films were done already."""

    def __init__(self, todo: Sequence[Job], before: int, *, quiet: bool) -> None:
        self.done = 0
        self._sizes = {job.key: max(1.0, job.size * _share(job)) for job in todo}
        self._films = sum(job.piece is None for job in todo)
        self._under_way: dict[str, float] = {}
        self._ended, self._ended_bytes, self._before, self._quiet = 0, 0.0, before, quiet
        self._started_s, self._bar = time.monotonic(), None if quiet or not sys.stderr.isatty() else _bar()

    def __enter__(self) -> Follower:
        if self._bar is not None:
            self._bar.start()
            self._bar.add_task("", total=sum(self._sizes.values()))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def hear(self, said: Row | Looked | Progress) -> None:
        """Counts it in, and says it where a film, or a piece of one, has ended."""
        if isinstance(said, Progress):
            self._under_way[said.key] = said.share * self._sizes[said.key]
        else:
            key = said.job.key if isinstance(said, Looked) else said.results
            self._under_way.pop(key, None)
            self._ended_bytes += self._sizes[key]
            if isinstance(said, Looked):
                self._say_piece(said.job)
            else:
                self._ended, self.done = self._ended + 1, self.done + said.done
                self._say(said)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._bytes(), description=self._where())

    def _say(self, row: Row) -> None:
        for line in row.warnings if not self._quiet else ():
            say(f"{row.file}: {line}")
        if not row.done:
            say(row.error if row.file in row.error else f"{row.file}: {row.error}")
        elif not self._quiet:
            say(f"{row.file}: {row.frames} frames in {row.took_s:.1f} s ({self._where()}{self._left()})")

    def _say_piece(self, job: Job) -> None:
        if job.piece and not self._quiet:
            say(f"{job.name}: piece {job.piece.number + 1} of {len(job.pieces)} ({self._where()}{self._left()})")

    def _where(self) -> str:
        return f"{self._before + self._ended} of {self._before + self._films}"

    def _left(self) -> str:
        """Told by the bytes, as nobody has counted the frames of films that wait."""
        done, total = self._bytes(), sum(self._sizes.values())
        left_s = (time.monotonic() - self._started_s) * (total - done) / done
        return f", {_in_words(left_s)} left" if self._ended < self._films else ""

    def _bytes(self) -> float:
        return self._ended_bytes + sum(self._under_way.values())


def _share(job: Job) -> float:
    return _OF_PIECES if job.pieces and not job.piece else 1.0


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
