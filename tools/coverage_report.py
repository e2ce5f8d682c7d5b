"""States what `make coverage` found: lines and branches, with what needs a GPU counted apart."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NEEDS_A_GPU = ("/tensorrt/",)
"""Code that runs on a GPU alone, of which the tests run what a stand-in for the driver's interface can show."""


def main(report: Path) -> int:
    files: dict[str, Any] = json.loads(report.read_text())["files"]
    on_gpu = {name for name in files if any(part in f"/{name}" for part in NEEDS_A_GPU)}
    print(share("all", files.values()))
    print(share("needs no GPU", (files[name] for name in files.keys() - on_gpu)))
    print(share("needs a GPU, run on a stand-in", (files[name] for name in on_gpu)))
    print("The program as a process of its own, as many tests start it, is not counted.")
    return 0


def share(title: str, files: Iterable[Any]) -> str:
    """One line: how many of the lines and of the branches were run."""
    sums = [each["summary"] for each in files]
    lines, of_lines = sum(each["covered_lines"] for each in sums), sum(each["num_statements"] for each in sums)
    branches, of_branches = sum(each["covered_branches"] for each in sums), sum(each["num_branches"] for each in sums)
    counts = f"lines {lines}/{of_lines} = {percent(lines, of_lines)}"
    return f"{title:31} {counts}, branches {branches}/{of_branches} = {percent(branches, of_branches)}"


def percent(some: int, of_all: int) -> str:
    return f"{100 * some / of_all:.1f} %" if of_all else "-"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    sys.exit(main(parser.parse_args().report))
