"""Workers as processes: one that dies takes no other film with it, and none outlives who started it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from streamseg.archive.processes import run_here
from streamseg.archive.row import Row
from streamseg.archive.task import Lost, Progress
from tests.archive.archives import film, job, task, tree
from tests.parts.patience import until


def children() -> list[int]:
    """Processes that this one has started and that live, but for the one that cleans up behind multiprocessing."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            line = path.with_name("cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z" and "spawn_main" in line:
            found.append(int(path.parent.name))
    return found


def test_a_worker_that_dies_takes_one_film_with_it(tmp_path: Path) -> None:
    films = [film(tmp_path / f"{name}.mp4", 1500 if name == "long" else 5) for name in ("long", "b", "c")]
    said: list[object] = []
    for each in run_here(map(job, films), task(tmp_path / "out", "null", view="source"), 1, lambda: False):
        said.append(each)
        if isinstance(each, Progress) and each.key == "long":
            os.kill(children()[0], signal.SIGKILL)
    (lost,) = (each for each in said if isinstance(each, Lost))
    assert lost.job.stem == "long" and "signal 9, SIGKILL" in lost.reason
    assert [each.results for each in said if isinstance(each, Row) and each.done] == ["b", "c"]
    assert children() == []


def test_where_it_is_stopped_the_film_under_way_is_given_up(tmp_path: Path) -> None:
    stop: list[bool] = []
    for said in run_here([job(film(tmp_path / "a.mp4", 2500))], task(tmp_path / "out"), 1, lambda: bool(stop)):
        assert isinstance(said, Progress)
        stop.append(True)
    until(lambda: not children(), "the end of the worker")
    assert tree(tmp_path / "out") == []


@pytest.mark.slow
def test_no_worker_outlives_who_started_it(tmp_path: Path) -> None:
    source, out = job(film(tmp_path / "a.mp4", 3000)), task(tmp_path / "out", "{stem}.mp4")
    parent = os.fork()
    if not parent:
        for _ in run_here([source], out, 1, lambda: False):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    stages = tmp_path / "out/.batch/part"
    until(lambda: not any(stages.iterdir()), "what is under way removed")
    assert tree(tmp_path / "out") == []
