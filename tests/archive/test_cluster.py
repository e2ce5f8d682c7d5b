"""An archive on a Ray cluster of two nodes, one of which is killed in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamseg.archive.cluster import connect, run_on_ray
from streamseg.cli import main
from streamseg.errors import SourceError
from tests.archive.archives import film, job, task, tree
from tests.parts.patience import until
from tests.parts.program import PROGRAM, environment
from tests.parts.program import run_program as command
from tests.parts.ray_cluster import RayCluster

WORDS = ("batch", "dash", "--model", "otsu", "--write", "{stem}.csv", "--write", "masks:{stem}")
OTHER_WORK = """
import sys
import ray

class Work:
    def begin(self):
        return True

ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
work = ray.remote(num_cpus=1)(Work).remote()
ray.get(work.begin.remote())
print("at work", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    pytest.importorskip("ray.cluster_utils", reason="ray is not installed", exc_type=ImportError)
    with RayCluster() as started:
        yield started


@pytest.mark.slow
def test_the_films_of_a_node_that_is_killed_are_done_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: RayCluster
) -> None:
    psutil: Any = pytest.importorskip("psutil")  # which comes with Ray
    monkeypatch.chdir(tmp_path)
    kinds = [film(Path(f"kinds/{number}.mp4"), 60 + number) for number in range(3)]
    Path("dash").mkdir()
    for number in range(40):
        shutil.copy(kinds[number % 3], f"dash/{number:02}.mp4")
    node = psutil.Process(cluster.add_node(num_cpus=1))
    words = (*WORDS, "--out", "out", "--ray", cluster.address)
    with subprocess.Popen([*PROGRAM, *words], env=environment(), stderr=subprocess.PIPE, text=True) as child:
        rows, part = Path("out/.batch/rows"), Path("out/.batch/part")
        at_work: set[str] = set()

        def both() -> bool:
            """Whether each node's process has had a film; what is under way is called `MACHINE-PROCESS-NUMBER`."""
            at_work.update(path.name.split("-")[-2] for path in part.glob("*"))
            return len(at_work) > 1 and any(rows.glob("*.json"))

        until(both, "films on both nodes", child)
        for process in (node, *node.children(recursive=True)):  # of a machine that is gone nothing goes on
            os.kill(process.pid, signal.SIGKILL)
        killed_after = len(list(rows.glob("*.json")))
        said = child.communicate()[1]
    assert child.returncode == 0, said
    assert killed_after < 38 and "died; it is run again" in said and "40 of 40 films done" in said, said
    alone = command(*WORDS, "--out", "alone")
    assert alone.returncode == 0, alone.stderr
    results = [name for name in tree(Path("alone")) if not name.startswith(("summary", "minutes"))]
    assert len(results) == 40 + sum(60 + number % 3 for number in range(40))
    assert [name for name in tree(Path("out")) if not name.startswith(("summary", "minutes"))] == results
    assert [name for name in results if Path("out", name).read_bytes() != Path("alone", name).read_bytes()] == []
    assert not Path("out/.batch/part").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_line_says_that_other_work_has_all_cores_and_films_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: RayCluster
) -> None:
    monkeypatch.chdir(tmp_path)
    film(Path("dash/a.mp4"))
    words = (*WORDS, "--out", "out", "--ray", cluster.address)
    piped: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment()}
    with subprocess.Popen([sys.executable, "-c", OTHER_WORK, cluster.address], **piped) as other:
        assert other.stdout is not None and other.stdout.readline() == "at work\n"
        with subprocess.Popen([*PROGRAM, *words], env=environment(), stderr=subprocess.PIPE, text=True) as child:
            assert child.stderr is not None
            line = next(line for line in child.stderr if "--ray" in line)
            other.communicate()  # whose end it waits for
            said = child.communicate()[1]
    assert "other work has all cores of the cluster; films wait until one is free" in line
    assert child.returncode == 0 and "1 of 1 films done" in said, said


def test_where_ray_is_not_installed_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    film(Path("dash/a.mp4"))
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*WORDS, "--out", "out", "--ray"]) == 2
    assert "--ray needs ray" in capsys.readouterr().err


def test_where_nobody_listens_at_the_address_of_a_cluster_a_line_says_so() -> None:
    pytest.importorskip("ray", reason="ray is not installed", exc_type=ImportError)
    with pytest.raises(SourceError, match="--ray 127.0.0.1:1: connection refused"):
        connect("127.0.0.1:1")


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_where_nobody_answers_at_the_address_of_a_cluster_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    pytest.importorskip("ray", reason="ray is not installed", exc_type=ImportError)
    monkeypatch.setattr("streamseg.archive.cluster._ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"{scheme}127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SourceError, match=f"--ray {address}: "):
            connect(address)


def test_where_no_worker_lives_to_its_first_film_a_line_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    exceptions: Any = pytest.importorskip("ray.exceptions", reason="ray is not installed", exc_type=ImportError)
    started: list[int] = []

    class Stillborn:
        """An actor on a machine that lacks streamseg."""

        class missing:  # noqa: N801 - a method of the actor
            @staticmethod
            def remote() -> int:
                started.append(len(started))
                return started[-1]

    def failing(ref: int) -> None:
        raise exceptions.RayActorError(error_msg="The actor failed to import:\n\nImportError: no streamseg here")

    actors = SimpleNamespace(remote=lambda *asked, **more: Stillborn)
    monkeypatch.setattr("ray.remote", lambda **asked: lambda kind: actors)
    monkeypatch.setattr("ray.wait", lambda refs, timeout: (refs[:1], refs[1:]))
    monkeypatch.setattr("ray.get", failing)
    monkeypatch.setattr("ray.kill", lambda actor: None)
    jobs, over = [job(Path(f"{number}.mp4")) for number in range(9)], iter([False] * 20)
    with pytest.raises(SourceError, match="no worker starts on a machine of the cluster: ImportError: no streamseg"):
        list(run_on_ray(jobs, task(Path("out")), 2, lambda: next(over, True)))
    assert len(started) == 4
