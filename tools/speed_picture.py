"""Draws the first table of docs/speed.md: frames a second of every loop, as bars.

    python tools/speed_picture.py docs/speed.md docs/pictures/speed.svg

A bar is the median of the turns, its line goes from the lowest to the highest. Needs matplotlib, of the extra `train`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

_RATES = {"`street`": 1, "`person`": 3}  # the column of each network
_NUMBERS = re.compile(r"(\d+) \((\d+) to (\d+)\)")


class Rate(NamedTuple):
    """Frames a second: the median of the turns, and their range."""

    loop: str
    median: int
    lowest: int
    highest: int


def rates(page: str, column: int) -> list[Rate]:
    """What a column of the first table that begins with "loop" says; loops without a rate there are left out.

    Raises:
        ValueError: there is no such table, or no rate in it.
    """
    lines = page.splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("| loop |")), len(lines))
    found = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if numbers := _NUMBERS.search(cells[column].replace("*", "")):
            found.append(Rate(_plain(cells[0]), *map(int, numbers.groups())))
    if not found:
        raise ValueError("no table of loops and their rates")
    return found


def draw(page: str, file: Path) -> None:
    """The rates of both networks side by side."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "speed"})
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, (network, column) in zip((left, right), _RATES.items(), strict=True):
        found = [rate for rate in rates(page, column)][::-1]
        high = max(rate.highest for rate in found if not _floor(rate))
        for place, rate in enumerate(found):
            ours = rate.loop.startswith("streamseg")
            colour = "#4c72b0" if ours else "#d8d8d8" if _floor(rate) else "#8c8c8c"
            axes.barh(place, rate.median, color=colour, hatch="///" if _floor(rate) else "", edgecolor="white")
            axes.plot([rate.lowest, rate.highest], [place, place], color="black", linewidth=1)
            beyond = rate.median > high
            axes.annotate(
                f"{rate.median}" + (" →" if beyond else ""),
                (min(rate.highest, high * 1.05), place),
                xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
                weight="bold" if ours else "normal",
            )  # fmt: skip
        axes.set(
            title=network.strip("`"), xlim=(0, high * 1.2), xlabel="frames a second",
            yticks=range(len(found)), yticklabels=[rate.loop for rate in found],
        )  # fmt: skip
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def _floor(rate: Rate) -> bool:
    return rate.loop.startswith("the network alone")


def _plain(cell: str) -> str:
    """A loop's name without what only explains it."""
    name = cell.replace("*", "").replace("`", "").replace(": a floor", "")
    return name.split(": cv2")[0].split(": predict")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    draw(options.page.read_text(), options.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
