"""A comparison as a table, as JSON and as a picture."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streamseg import installing
from streamseg.bench.compare import Row, ratios
from streamseg.bench.loop import Task
from streamseg.errors import InputError, OutputError
from streamseg.files import whole
from streamseg.machine import machine_key

_WIDTH = 140  # of a table that goes into a file


def as_tree(task: Task, rows: Sequence[Row]) -> dict[str, object]:
    """Everything that was measured, each turn by itself, as JSON can hold it."""
    return {
        "machine": machine_key(),
        "load_average": round(os.getloadavg()[0], 2),
        "clip": task.clip.name,
        "model": task.model,
        "input": [*task.size],
        "threads": task.threads,
        "loops": [_row(row) for row in rows],
        "ratios": {f"{ours} / {other}": _spread(values) for ours, other, values in ratios(rows)},
    }


def print_table(task: Task, rows: Sequence[Row]) -> None:
    """On the standard output."""
    height, width = task.size
    processor = machine_key()["processor"]
    print(
        f"{task.model} at {width}x{height}, {task.clip.name}, {task.threads} cores of {processor}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("loop", "runs on"):
        table.add_column(title, no_wrap=True)
    for title in ("fps", "lowest to highest", "CPU ms", "same masks %"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.name, row.runs_on, *_figures(row))
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)
    for row in rows:
        if row.problem:
            print(f"{row.name}: {row.problem}")
    for ours, other, values in ratios(rows):
        middle = statistics.median(values)
        print(f"{ours} / {other}, round by round: {middle:.2f} ({min(values):.2f} to {max(values):.2f})")


def refuse_unplottable(file: Path) -> None:
    """What is wrong with the name of a plot, before anything is measured.

    Raises:
        InputError: matplotlib is not installed.
        OutputError: it writes no such pictures.
    """
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise InputError("--plot needs matplotlib", installing.package("matplotlib")) from None
    kinds = FigureCanvasBase.get_supported_filetypes()
    if file.suffix.removeprefix(".").lower() not in kinds:
        raise OutputError(f"{file}: not a kind of picture that can be written", "a name such as speed.png")


def plot(task: Task, rows: Sequence[Row], file: Path, *, overwrite: bool = False) -> None:
    """A bar for each loop, from its lowest to its highest turn.

    Raises:
        InputError: matplotlib is not installed.
        OutputError: `file` exists and is not to be overwritten, or cannot be written.
    """
    refuse_unplottable(file)
    from matplotlib.figure import Figure

    timed = sorted((row for row in rows if row.turns), key=lambda row: statistics.median(row.rates))
    medians = [statistics.median(row.rates) for row in timed]
    below = [middle - min(row.rates) for row, middle in zip(timed, medians, strict=True)]
    above = [max(row.rates) - middle for row, middle in zip(timed, medians, strict=True)]
    figure = Figure(figsize=(8, 0.45 * len(timed) + 1), layout="constrained")
    axes = figure.subplots()
    colours = ["#1f6feb" if row.name.startswith("streamseg") else "#b0b7c0" for row in timed]
    axes.barh([row.name for row in timed], medians, xerr=[below, above], color=colours, ecolor="#444444")
    axes.set_xlabel(f"frames a second, {task.model}, {task.threads} cores")
    axes.spines[["top", "right"]].set_visible(False)
    with whole(file, overwrite=overwrite) as part:
        figure.savefig(part, dpi=150, format=file.suffix.removeprefix("."))


def _row(row: Row) -> dict[str, object]:
    told: dict[str, object] = {"name": row.name, "runs_on": row.runs_on, "masks_agree": row.agreement}
    if row.problem:
        return told | {"problem": row.problem}
    return told | {"fps": _spread(row.rates), "turns": [round(rate, 1) for rate in row.rates], "cpu_ms": row.cpu_ms}


def _spread(values: Sequence[float]) -> dict[str, float]:
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


def _figures(row: Row) -> tuple[str, str, str, str]:
    masks = "" if row.agreement is None else f"{row.agreement * 100:.2f}"
    if not row.turns:
        return "-", "", "", masks
    low, middle, high = min(row.rates), statistics.median(row.rates), max(row.rates)
    return f"{middle:.1f}", f"{low:.1f} to {high:.1f}", f"{row.cpu_ms:.1f}", masks
