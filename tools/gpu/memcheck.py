"""The kernels under NVIDIA's compute-sanitizer: reads and writes where nothing is, and threads that meet."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from gpu.row import Row, skipped

PROBE = Path(__file__).parents[1] / "gpu_probe.py"
FOUND = 9  # its exit code where it found something
LIMIT_S = 240.0
RUNS = (("memcheck", "kernels"), ("memcheck", "motion"), ("racecheck", "motion"))
"""Tools of it, and the section that each looks at."""


def probe() -> Iterator[Row]:
    """A row for each tool and section."""
    sanitizer = shutil.which("compute-sanitizer")
    for tool, section in RUNS:
        what = f"{tool} of `{section}`"
        if sanitizer is None:
            yield skipped(what, "compute-sanitizer, of the CUDA toolkit, is not on the PATH")
            continue
        command = [
            sanitizer,
            "--tool",
            tool,
            "--error-exitcode",
            str(FOUND),
            sys.executable,
            str(PROBE),
            "--one",
            section,
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            yield skipped(what, f"it was stopped after {LIMIT_S:.0f} s")
            continue
        said = re.findall(r"^=+ (.*SUMMARY.*)$", done.stdout + done.stderr, re.MULTILINE)
        how, figure = f"compute-sanitizer --tool {tool}", f"{' '.join(said)}; exit {done.returncode}"
        yield Row(what, how, figure, "exit 0", not done.returncode)
