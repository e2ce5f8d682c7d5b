"""Workers as actors of a Ray cluster, whose machines see the same folders; one that dies is replaced elsewhere."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamseg.archive.row import Row
from streamseg.archive.task import Job, Looked, Lost, Progress, Task
from streamseg.errors import InputError, SourceError
from streamseg.net.connection import trouble
from streamseg.net.urls import read_address

_log = logging.getLogger(__name__)
_ANSWER_S = 10.0
_LOOK_UP_S = 0.5  # how often it is asked whether to stop
_STARTS = 3  # of workers, one after the other, none of which lives
_BEGIN = "`ray start --head` begins a cluster"
_TOKEN = "one begun with a token wants RAY_AUTH_MODE=token here, one without RAY_AUTH_MODE=disabled"
_INSTALLED = f"streamseg has to be installed on each of them; and {_TOKEN}"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def connect(address: str) -> list[int]:
    """Joins the cluster at `address`; `auto` is the one that this machine belongs to, `local` one that is begun here.

    Returns:
        The cores of each of its machines.

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
    return [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]


def _knock(address: str) -> None:
    """Raises SourceError where nobody listens at HOST:PORT: Ray would try for minutes."""
    if not re.search(r":\d+$", address):
        return
    place = read_address(address if "://" in address else f"ray://{address}")
    try:
        socket.create_connection(place.place, _ANSWER_S).close()
    except OSError as error:
        raise SourceError(f"--ray {address}: {trouble(error, place).what}", _BEGIN) from None


def disconnect() -> None:
    """Leaves the cluster; a local one ends."""
    import ray

    ray.shutdown()


def run_on_ray(
    jobs: Iterable[Job], task: Task, count: int, stopped: Callable[[], bool]
) -> Iterator[Row | Looked | Progress | Lost]:
    """Runs `jobs` with `count` actors, and gives what becomes of each as it comes.

    Where it is `stopped`, films under way are given up, and it ends.

    Raises:
        InputError: a machine of the cluster does not see the folder of results.
        SourceError: workers die again and again before they have a film.
    """
    import ray

    waiting, asked, work_folder, stillborn = deque(jobs), dict[Any, _Slot](), str(Path.cwd()), 0
    actors = ray.remote(num_cpus=task.cores, max_restarts=0)(_Actor)

    def hire() -> None:
        actor = actors.remote(task, work_folder)
        asked[actor.missing.remote()] = _Slot(actor)

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
    job: Job | None = None
    dead: str = ""
    """Why it died, in a line."""


class _Actor:
    """A worker on some machine."""

    def __init__(self, task: Task, work_folder: str) -> None:
        self._task, self._missing = task, ""
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
