"""Runs that are long by nature: a row of docs/reliability.md is a function, quick in a test, long in tools/soak.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PROGRAM = (sys.executable, "-c", "from streamseg.cli import program; program()")
SLOW_MACHINE = 5
"""How much longer a promise may take in a test, on a machine that others use too."""


class Row(NamedTuple):
    """What a run found, and whether that is what was promised."""

    found: str
    kept: bool


def in_child(function: str, *words: float, limit_s: float = 1800) -> dict[str, float]:
    """The figures that `tests.soak.MODULE.FUNCTION(*words)` finds in a process of its own, where nothing ran before."""
    module, _, name = function.rpartition(".")
    code = f"import json; from tests.soak.{module} import {name}; print(json.dumps({name}{words!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=limit_s, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def environment() -> dict[str, str]:
    """That of a run in a container: no display, one thread for each library."""
    kept = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
