"""A row of the table that the probes of a GPU make."""

from __future__ import annotations

import datetime
from typing import NamedTuple

HEAD = "| date | section | what | how measured | figure | bound | passed |\n|---|---|---|---|---|---|---|"
_APART = "\t"


class Row(NamedTuple):
    """What was measured, and whether it is as it should be."""

    what: str
    how: str
    figure: str
    bound: str = ""
    """What the figure is held against; empty where it only tells."""
    passed: bool | None = None
    """None where there is no bound, or nothing was measured."""

    def packed(self) -> str:
        """In one line, for another process."""
        cells = (self.what, self.how, self.figure, self.bound, {None: "", True: "yes", False: "no"}[self.passed])
        return _APART.join(" ".join(cell.split()) for cell in cells)

    def in_table(self, section: str) -> str:
        """A line of Markdown."""
        cells = (str(datetime.date.today()), f"`{section}`", *self.packed().split(_APART))
        return f"| {' | '.join(cell.replace('|', '/') or '-' for cell in cells)} |"


def unpacked(line: str) -> Row | None:
    """What `packed` gave; None where it is something else that a process said."""
    cells = line.split(_APART)
    if len(cells) != len(Row._fields):
        return None
    *texts, passed = cells
    return Row(*texts, passed={"": None, "yes": True, "no": False}.get(passed))  # type: ignore[misc, arg-type]


def skipped(what: str, why: object) -> Row:
    """That it was not measured, and why."""
    return Row(what, "-", f"skipped: {why}")
