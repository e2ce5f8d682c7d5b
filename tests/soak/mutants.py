"""Inputs that something gnawed at, each given to the program in a process of its own with a limit on its memory."""

from __future__ import annotations

import random
import resource
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.parts import gnawed
from tests.parts.program import PROGRAM, environment
from tests.soak import SLOW_MACHINE, Row

CODES = {0, 2, 3, 4, 5}
"""Those that errors.py documents, less the one for a defect."""
_LONGEST_S = 10


def mutants(count: int = 200, first_seed: int = 0, only: str = "", limit_bytes: int = 2 << 30) -> Row:
    """`count` videos, pictures, models and configurations: how the program ended on each, and the longest it took.

    `only` is the end of a name: `.onnx` for models alone.
    """
    codes: Counter[int] = Counter()
    longest_s, wrong = 0.0, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = {kind: whole for kind, whole in gnawed.corpus(folder).items() if kind.endswith(only)}
        for seed in range(first_seed, first_seed + count):
            kind = list(corpus)[seed % len(corpus)]
            path = gnawed.gnaw(folder / f"gnawed{Path(kind).suffix}", corpus[kind], random.Random(seed))
            started_s = time.monotonic()
            code, said = _run(gnawed.words(kind, path, folder), folder, limit_bytes)
            seconds = time.monotonic() - started_s
            longest_s = max(longest_s, seconds)
            codes[code] += 1
            bad = code not in CODES or "Traceback" in said or "defect" in said or seconds > _LONGEST_S * SLOW_MACHINE
            if bad:
                wrong.append(f"\n{kind} with seed {seed}: code {code} after {seconds:.0f} s: {said[-300:]}")
    told = ", ".join(f"{number} x {code}" for code, number in sorted(codes.items()))
    return Row(f"{count} inputs, exit codes {told}, longest {longest_s:.1f} s{''.join(wrong)}", not wrong)


def _run(words: list[str], folder: Path, limit_bytes: int) -> tuple[int, str]:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))

    done = subprocess.run(
        [*PROGRAM, *words], cwd=folder, capture_output=True, env=environment(), timeout=200, preexec_fn=limited
    )
    return done.returncode, done.stderr.decode(errors="replace")
