"""The program in a process of its own, in the environment of a person's terminal and not in that of the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

from tests.parts.patience import finished

PROGRAM = (sys.executable, "-c", "from streamseg.cli import program; program()")
"""`streamseg`, whatever is on the PATH."""


def environment(**more: str) -> dict[str, str]:
    """PATH, HOME and LANG; cache and state folders as the tests have them; one thread for each library; and `more`.

    Nothing that the environment of the tests sets, PYTHONUNBUFFERED say, changes what is seen.
    """
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME") if name in os.environ
    }
    return {**kept, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", **more}


def run_program(*words: object, env: dict[str, str] | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    """`streamseg WORDS` to its end, with what it said; `env` adds to the environment, `more` goes to `Popen`."""
    return finished([*PROGRAM, *map(str, words)], env=environment(**(env or {})), **more)


def hears_signals() -> None:
    """For a child: shells start background jobs with Ctrl-C ignored, and `nohup` with the end of a terminal."""
    for each in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
