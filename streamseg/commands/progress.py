"""What a person sees in the terminal during a run: a bar for files, a status line for streams, log lines."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator

from streamseg.errors import printable
from streamseg.metrics import Metrics
from streamseg.pipeline.pipeline import Pipeline
from streamseg.redaction import redact

_log = logging.getLogger(__name__)


def follow(pipeline: Pipeline, *, quiet: bool, explain: bool = False, title: str = "") -> None:
    """Runs `pipeline` to its end; progress only on a terminal, and one line of summary at the end.

    With `explain` every change of the network's pace is said; `title` goes before the summary.
    """
    started_s = time.monotonic()
    readings = _readings(pipeline)
    if explain:
        readings = _explained(readings)
    failed = True
    try:
        if quiet or not sys.stderr.isatty():
            for _ in readings:
                pass
        elif pipeline.source.info.live:
            _with_status(pipeline, readings)
        else:
            _with_bar(pipeline, readings)
        failed = False
    finally:
        if not quiet and (pipeline.metrics().captured or not failed):
            print(summary(pipeline, time.monotonic() - started_s, title), file=sys.stderr)


def summary(pipeline: Pipeline, seconds: float, title: str = "") -> str:
    """One line that accounts for every frame."""
    metrics = pipeline.metrics()
    dropped = "".join(f", {count} dropped ({reason})" for reason, count in metrics.dropped.items())
    failed = f", {metrics.failed} failed" if metrics.failed else ""
    covered = f" ({metrics.covered_whole} covered whole)" if metrics.covered_whole else ""
    unwritten = f", {metrics.unwritten} not written: an output was too slow or away" if metrics.unwritten else ""
    trouble = "".join(
        f", {count} {name.replace('_', ' ')}" for name, count in pipeline.source.counters.items() if count
    )
    titled = f"{printable(redact(title))}: " if title else ""
    return (
        f"streamseg: {titled}{metrics.captured} frames captured, {metrics.shown} shown{covered}"
        f"{dropped}{failed}{unwritten}{trouble} in {seconds:.1f} s"
    )


def status_line(metrics: Metrics) -> str:
    """Rate, age of the picture and drops in a few words."""
    age_ms = metrics.latency_ms.get("age", (0.0, 0.0))[0]
    return f"{metrics.fps:.0f} fps, {age_ms:.0f} ms old, {metrics.shown} shown, {sum(metrics.dropped.values())} dropped"


def set_up_logging(*, debug: bool, quiet: bool) -> None:
    """Log lines of the library go to the standard error, free of passwords."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("streamseg: %(message)s"))
    log = logging.getLogger("streamseg")
    log.handlers = [handler]
    log.setLevel(logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO)
    log.propagate = False


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(redact(super().format(record)))


def _with_bar(pipeline: Pipeline, readings: Iterator[Metrics]) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.0f} fps"),
        TimeRemainingColumn(),
    )
    info = pipeline.source.info
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=5) as progress:
        task = progress.add_task(info.name, total=info.frames, fps=0.0)
        for metrics in readings:
            progress.update(task, completed=metrics.shown, fps=metrics.fps)


def _with_status(pipeline: Pipeline, readings: Iterator[Metrics]) -> None:
    from rich.console import Console
    from rich.text import Text

    name = pipeline.source.info.name
    with Console(stderr=True).status(Text(name)) as status:
        for metrics in readings:
            status.update(Text(f"{name}: {status_line(metrics)}"))  # as text: a name may look like markup


def _explained(readings: Iterator[Metrics]) -> Iterator[Metrics]:
    """Passes readings on and says their pace: where it becomes another one, not where its figures waver."""
    said = ""
    for metrics in readings:
        explanation = metrics.explanation
        if metrics.shown and explanation and explanation.kind != said:
            said = explanation.kind
            _log.info("%s", explanation)
        yield metrics


def _readings(pipeline: Pipeline) -> Iterator[Metrics]:
    """Runs the pipeline and reads its metrics five times a second, and once at the end."""
    due_s = 0.0
    for _ in pipeline:
        if (now_s := time.monotonic()) >= due_s:
            due_s = now_s + 0.2
            yield pipeline.metrics()
    yield pipeline.metrics()
