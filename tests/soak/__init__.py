"""Runs that are long by nature: a row of docs/reliability.md is a function, quick in a test, long in tools/soak.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.parts.program import environment

SLOW_MACHINE = 50
"""How much longer than promised something may take before it hangs: how long it takes is measured and written down."""


class Row(NamedTuple):
    """What a run found, and whether that is what was promised."""

    found: str
    kept: bool


def in_child(function: str, *words: float, limit_s: float = 1800) -> dict[str, float]:
    """The figures that `tests.soak.MODULE.FUNCTION(*words)` finds in a process of its own, where nothing ran before."""
    module, _, name = function.rpartition(".")
    code = f"import json; from tests.soak.{module} import {name}; print(json.dumps({name}{words!r}))"
    env = environment(PYTHONPATH=str(Path(__file__).parents[2]))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, env=env, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))
