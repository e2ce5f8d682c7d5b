"""A bar with the time left on a terminal, a line an epoch everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streamseg.training.checkpoint import Row
from streamseg.training.task import main_scores
from streamseg.training.train import Watcher


class _Bar:
    def __init__(self, progress: Progress, epochs: int) -> None:
        self._progress, self._epochs = progress, epochs
        self._task = progress.add_task("epoch 1", total=None, loss=float("nan"))

    def step(self, done: int, total: int, loss: float) -> None:
        epoch = (done - 1) * self._epochs // total + 1
        self._progress.update(
            self._task, completed=done, total=total, loss=loss, description=f"epoch {epoch}/{self._epochs}"
        )

    def epoch(self, row: Row) -> None:
        self._progress.console.print(epoch_line(row, self._epochs), highlight=False)


@contextmanager
def watching(epochs: int) -> Iterator[Watcher]:
    """A watcher that shows on the standard error how a training of `epochs` goes."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, soft_wrap=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield _Bar(progress, epochs)


def epoch_line(row: Row, epochs: int) -> str:
    """`epoch 3/60  loss 0.544  86 s  validation mIoU 42.3 %`."""
    scores = "".join(f"  {name} {value:.1%}" for name, value in main_scores(row).items())
    return f"epoch {row['epoch']:.0f}/{epochs}  loss {row['loss']:.3f}  {row['seconds']:.0f} s{scores}"
