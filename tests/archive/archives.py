"""What the tests of archives run."""

from __future__ import annotations

from pathlib import Path

from streamseg.archive.row import Row
from streamseg.archive.task import Job, Task
from streamseg.archive.worker import Worker
from streamseg.config import make_options
from tests.parts.clips import clip

SIZE = (64, 48)


def film(path: Path, frames: int = 5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return clip(path, frames=frames, size=SIZE)


def long_film(path: Path) -> Path:
    """60,000 frames, which nothing is done with before a test has seen it begin; `path` ends in .ts."""
    once = film(path, 1000).read_bytes()
    path.write_bytes(once * 60)
    return path


def job(path: Path, stem: str = "") -> Job:
    return Job(str(path), stem or path.stem, 1, "1")


def task(folder: Path, *outputs: str, **options: object) -> Task:
    return Task(make_options({"source": "", "model": "otsu", **options}), outputs or ("{stem}.jsonl",), str(folder))


def ran(worker: Worker, asked: Job) -> Row:
    row = worker(asked)
    assert isinstance(row, Row)
    return row


def tree(folder: Path) -> list[str]:
    """Files below it, the batch's own left out."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if path.parts[0] != ".batch")
