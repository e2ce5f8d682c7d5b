"""Films that the tests of several files in one command run on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import streamseg
from streamseg.commands.films import runs
from streamseg.config import make_options
from tests.parts.clips import clip

OTSU = ("--model", "otsu")
SIZE = (64, 48)


def film(path: Path, frames: int = 5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return clip(path, frames=frames, size=SIZE)


def made(path: Path) -> Path:
    """A film that streamseg made."""
    streamseg.open(f"test://?frames=5&size={SIZE[0]}x{SIZE[1]}", str(path), model="otsu").run()
    return path


def planned(source: object, *outputs: str) -> list[tuple[object, tuple[str, ...]]]:
    return [(each.source, each.outputs) for each in runs(make_options({"source": source, "outputs": outputs}))]


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What is said of films."""
    return [line for line in done.stderr.splitlines() if "folder made" not in line and "no window" not in line]
