"""Workers as actors of a Ray cluster, whose machines see the same folders; one that dies is replaced elsewhere.

Where networks may run on NVIDIA GPUs, each GPU that Ray knows of gets an actor, to which Ray deals it; the cores of
machines without any get actors that ask for none, and see none should Ray put them beside a GPU.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from streamseg.archive.row import Row
from streamseg.archive.task import Job, Looked, Lost, Outcome, Task
from streamseg.errors import InputError, SourceError
from streamseg.net.connection import trouble
from streamseg.net.urls import read_address

_log = logging.getLogger(__name__)
_ANSWER_S = 10.0
_LOOK_UP_S = 0.5  # how often it is asked whether to stop
_STARTS = 3  # of workers, one after the other, none of which lives
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"  # with which gRPC begins, RFC 9113, section 3.4
_BEGIN = "`ray start --head` begins a cluster"
_TOKEN = "one begun with a token wants RAY_AUTH_MODE=token here, one without RAY_AUTH_MODE=disabled"
_INSTALLED = f"streamseg has to be installed on each of them; and {_TOKEN}"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Machine(NamedTuple):
    """What Ray may use of one."""

    cores: int
    gpus: int = 0


class Fleet(NamedTuple):
    """How many workers there are, and what each has."""

    workers: int
    cores: int
    """Of one without a GPU."""
    gpu_cores: int = 0
    """Of one with a GPU; 0 where none is dealt."""


def fleet(machines: Sequence[Machine], most: int, asked: int | None = None, *, on_gpus: bool = False) -> Fleet:
    """Workers for `machines`: as many as were `asked` for, else one a GPU, if work is done there, and one a core.

    The cores of a machine with GPUs are shared among those that have these. No more than `most` have work.
    """
    gpus = sum(machine.gpus for machine in machines) if on_gpus else 0
    plain = [machine.cores for machine in machines if not (gpus and machine.gpus)]
    workers = max(1, min(most, asked or gpus + sum(plain)))
    others = max(1, workers - gpus)
    cores = max(1, min([sum(plain) // others, *filter(None, plain)]))
    shares = [max(1, machine.cores // machine.gpus) for machine in machines if machine.gpus]
    return Fleet(workers, cores, min(shares) if gpus else 0)


def connect(address: str) -> list[Machine]:
    """Joins the cluster at `address`; `auto` is the one that this machine belongs to, `local` one that is begun here.

    Returns:
        Its machines, with the GPUs that Ray knows of.

    Raises:
        InputError: Ray is not installed.
        SourceError: there is no such cluster.
    """
    try:
        import ray
    except ModuleNotFoundError:
        from streamseg.installing import extra

        raise InputError("--ray needs ray", extra("ray")) from None
    _knock(address)
    if address == "local":
        os.environ.setdefault("RAY_worker_niceness", "0")  # by itself Ray lets whatever else runs go first
    heard = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        line = " ".join(str(error).split()).partition(". ")[0]
        raise SourceError(f"--ray {address}: {line}", _BEGIN if address == "auto" else _TOKEN) from None
    finally:
        for number, handler in heard.items():  # Ray takes them for itself
            signal.signal(number, handler)
    if ray.available_resources().get("CPU", 0) < 1:
        _log.warning("--ray %s: other work has all cores of the cluster; films wait until one is free", address)
    there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Machine(int(each.get("CPU", 0)), int(each.get("GPU", 0))) for each in there]


def _knock(address: str) -> None:
    """Raises SourceError where nobody listens at HOST:PORT, or answers: Ray would try for minutes, or for ever."""
    if not re.search(r":\d+$", address):
        return
    place = read_address(address if "://" in address else f"ray://{address}")
    try:
        with socket.create_connection(place.place, _ANSWER_S) as connection:
            connection.sendall(_GREETING)
            connection.recv(1)  # with TLS an alert, or the end
    except OSError as error:
        raise SourceError(f"--ray {address}: {trouble(error, place).what}", _BEGIN) from None


def disconnect() -> None:
    """Leaves the cluster; a local one ends."""
    import ray

    ray.shutdown()


def run_on_ray(
    jobs: Iterable[Job], task: Task, count: int, stopped: Callable[[], bool], gpu_cores: int = 0
) -> Iterator[Outcome]:
    """Runs `jobs` with `count` actors, and gives what becomes of each as it comes.

    With `gpu_cores` the first of them get a GPU each, as long as there are any, and so many cores.
    Where it is `stopped`, films under way are given up, and it ends.

    Raises:
        InputError: a machine of the cluster does not see the folder of results.
        SourceError: workers die again and again before they have a film.
    """
    import ray

    waiting, asked, work_folder, stillborn = deque(jobs), dict[Any, _Slot](), str(Path.cwd()), 0
    plain = ray.remote(num_cpus=task.cores, max_restarts=0)(_Actor)
    beside = ray.remote(num_cpus=gpu_cores, num_gpus=1, max_restarts=0)(_Actor) if gpu_cores else plain

    def hire() -> None:
        taken = sum(slot.on_gpu for slot in asked.values())
        on_gpu = bool(gpu_cores) and taken < ray.cluster_resources().get("GPU", 0)  # of machines that are there now
        own = replace(task, cores=gpu_cores) if on_gpu else task
        actor = (beside if on_gpu else plain).remote(own, work_folder, sees_its_own=bool(gpu_cores))
        asked[actor.missing.remote()] = _Slot(actor, on_gpu)

    for _ in range(min(count, len(waiting))):
        hire()
    try:
        while asked and not stopped():
            for ref in ray.wait(list(asked), timeout=_LOOK_UP_S)[0]:
                slot = asked.pop(ref)
                starting = slot.job is None
                said = _answer(ref, slot)
                stillborn = _stillborn(stillborn, slot.dead if starting else "")
                if said is not None:
                    yield said
                if slot.dead and waiting:
                    hire()
                elif waiting:
                    slot.job = waiting.popleft()
                    asked[slot.actor.run.remote(slot.job)] = slot
                else:
                    ray.kill(slot.actor)
            if not waiting and all(slot.job is None for slot in asked.values()):
                return
    finally:
        for slot in asked.values():
            ray.kill(slot.actor)


@dataclass(slots=True)
class _Slot:
    """An actor, and what it does; no job while it starts."""

    actor: Any
    on_gpu: bool = False
    job: Job | None = None
    dead: str = ""
    """Why it died, in a line."""


class _Actor:
    """A worker on some machine."""

    def __init__(self, task: Task, work_folder: str, *, sees_its_own: bool = False) -> None:
        """`sees_its_own`: of NVIDIA's GPUs those that Ray dealt it, which need not be any."""
        self._task, self._missing = task, ""
        if sees_its_own:
            import ray

            # Ray does so for who asked for one, unless told not to; a newer one shows all to who asked for none.
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, ray.get_gpu_ids()))
        for folder in (work_folder, task.folder):
            if not Path(folder).is_dir():
                self._missing = f"{os.uname().nodename} does not see {folder}"
        if not self._missing:
            from streamseg.archive.worker import Worker

            os.chdir(work_folder)
            self._worker = Worker(task)

    def missing(self) -> str:
        """What this machine lacks, in a line; empty where it is ready."""
        return self._missing

    def run(self, job: Job) -> Row | Looked | None:
        """Runs a film, or looks at a piece of one."""
        return self._worker(job)


def _answer(ref: Any, slot: _Slot) -> Row | Looked | Lost | None:
    """What has come of a call; None where an actor is ready."""
    import ray

    job = slot.job
    try:
        said: Row | Looked | str | None = ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        assert job is not None
        return Lost(job, " ".join(str(error.cause).split()))
    except ray.exceptions.RayError as error:
        slot.dead = str(error).strip().rpartition("\n")[2].strip() or type(error).__name__
        return None if job is None else Lost(job, "its machine or process died")
    if isinstance(said, str):
        if said:
            raise InputError(said, "a cluster needs a folder that all of its machines share, under one name")
        return None
    slot.job = None
    assert job is not None
    return Lost(job, "its process was asked to end") if said is None else said


def _stillborn(before: int, reason: str) -> int:
    """How many workers, one after the other, died before they had a film: `before`, and the last one for a `reason`.

    Raises:
        SourceError: too many.
    """
    if not reason:
        return 0
    if before + 1 == _STARTS:
        raise SourceError(f"no worker starts on a machine of the cluster: {reason}", _INSTALLED)
    return before + 1
