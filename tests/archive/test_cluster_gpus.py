"""GPUs of a Ray cluster, each dealt to one worker. Ray believes in as many as it is told of: none of them is here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from streamseg.archive.cluster import Fleet, Machine, fleet
from tests.archive.archives import film
from tests.archive.test_cluster import cluster
from tests.parts.patience import finished
from tests.parts.program import environment, run_program
from tests.parts.ray_cluster import RayCluster

__all__ = ["cluster"]
A, B, C = Machine(16, 4), Machine(6, 2), Machine(8)

# Workers write down what they see, and wait until as many have begun as there are: then none has two jobs.
DEALT = """
import os
import sys
from pathlib import Path

from streamseg.archive import cluster
from streamseg.archive.task import Job, Task
from streamseg.archive.worker import failed
from streamseg.config import make_options
from tests.parts.patience import until

class Told(cluster._Actor):
    def run(self, job):
        Path(f"{job.stem}.txt").write_text(f"{os.environ.get('CUDA_VISIBLE_DEVICES')}; {self._task.cores} cores")
        until(lambda: len(list(Path().glob("*.txt"))) == 4)
        return failed(job, ValueError("seen"))

cluster._Actor = Told
machines = cluster.connect(sys.argv[1])
hired = cluster.fleet(machines, 4, on_gpus=sys.argv[2] == "yes")
print(sorted(machines), hired)
task = Task(make_options({"source": "", "model": "person-wide"}), ("null",), str(Path.cwd()), hired.cores)
jobs = [Job(f"{number}.mp4", str(number), 1, "1") for number in range(4)]
for _ in cluster.run_on_ray(jobs, task, hired.workers, lambda: False, hired.gpu_cores):
    pass
cluster.disconnect()
"""


def test_a_worker_a_gpu_and_a_worker_a_core_where_there_are_none() -> None:
    assert fleet([A, B, C], 99, on_gpus=True) == Fleet(workers=14, cores=1, gpu_cores=3)
    assert fleet([A], 99, on_gpus=True) == Fleet(workers=4, cores=1, gpu_cores=4)
    assert fleet([A, C], 99, 6, on_gpus=True) == Fleet(workers=6, cores=4, gpu_cores=4)
    assert fleet([A, C], 3, on_gpus=True) == Fleet(workers=3, cores=8, gpu_cores=4)


def test_where_no_gpu_is_of_use_or_there_each_core_has_a_worker() -> None:
    assert fleet([A, B, C], 99) == Fleet(workers=30, cores=1)
    assert fleet([C, C], 99, on_gpus=True) == Fleet(workers=16, cores=1)
    assert fleet([C, Machine(0)], 2) == Fleet(workers=2, cores=4)
    assert fleet([Machine(0)], 5) == Fleet(workers=1, cores=1), "one waits for a machine with cores"


def two_machines(cluster: RayCluster) -> str:
    """One of them has two GPUs; both have two cores to give, and the one that began the cluster a third."""
    for gpus in (2, 0):
        cluster.add_node(num_cpus=2, num_gpus=gpus)
    return cluster.address


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("noset", ["", "1"])
def test_each_gpu_is_seen_by_one_worker_and_others_see_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: RayCluster, noset: str
) -> None:
    """Also where Ray is told to leave it to its workers what they see."""
    monkeypatch.chdir(tmp_path)
    if noset:
        monkeypatch.setenv("RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES", noset)
    address = two_machines(cluster)
    done = finished(
        [sys.executable, "-c", DEALT, address, "yes"], env=environment(PYTHONPATH=str(Path(__file__).parents[2]))
    )
    assert done.returncode == 0, done.stderr
    assert "gpu_cores=1" in done.stdout and "Machine(cores=2, gpus=2)" in done.stdout, done.stdout
    assert sorted(path.read_text() for path in tmp_path.glob("*.txt")) == [
        "0; 1 cores", "1; 1 cores", "; 1 cores", "; 1 cores",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_archive_is_done_by_workers_with_a_gpu_and_by_those_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: RayCluster
) -> None:
    """The GPUs are none, so the CPU does the work of all of them, and says nothing else."""
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        film(Path(f"dash/{number}.mp4"))
    words = ("batch", "dash", "--model", "person-wide", "--write", "{stem}.csv", "--out", "out")
    done = run_program(*words, "--ray", two_machines(cluster))
    assert done.returncode == 0 and "4 of 4 films done" in done.stderr, done.stderr
