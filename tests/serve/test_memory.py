from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

HELD = """
import resource, threading
from pathlib import Path

from streamseg.serve.memory import give_back


def held_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def work():
    pictures = [bytearray(b"x" * 100_000) for _ in range(1000)]
    kept.extend(pictures[49::50])  # among them and behind them, so that nothing is given back by itself
    pictures.clear()


kept = []
for _ in range(2):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
before = held_mb()
give_back()
print(before - held_mb())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no glibc")
def test_what_threads_that_are_gone_have_freed_is_the_systems_again() -> None:
    # in a process of its own: where others have run, an arena may have room that was given back before
    shown = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True, timeout=120)
    assert float(shown.stdout) > 50
