"""How a training went, as a table and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from streamseg.files import whole
from streamseg.training.checkpoint import Row

_DRAWN = (" miou", " accuracy", " right", " ap50")


def write_table(history: Sequence[Row], path: Path) -> None:
    """One line an epoch; what was not measured in an epoch is left empty."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    with whole(path, overwrite=True) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(history)


def draw_curves(history: Sequence[Row], path: Path) -> None:
    """A PNG: loss above, scores below, over the epochs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(*_line(history, "loss"))
    above.set_ylabel("loss")
    for name in dict.fromkeys(name for row in history for name in row if name.endswith(_DRAWN)):
        below.plot(*_line(history, name), label=name)
    below.set(xlabel="epoch", ylabel="score", ylim=(0, 1))
    if below.lines:
        below.legend(loc="lower right")
    for part in (above, below):
        part.grid(alpha=0.3)
    with whole(path, overwrite=True) as part:
        figure.savefig(part, dpi=100, format="png")


def _line(history: Sequence[Row], name: str) -> tuple[list[float], list[float]]:
    rows = [row for row in history if name in row]
    return [row["epoch"] for row in rows], [row[name] for row in rows]
