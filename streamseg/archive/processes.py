"""Workers as processes of this machine; one that dies takes the film with it that it had, and no other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from streamseg.archive.row import Row
from streamseg.archive.task import Job, Looked, Lost, Outcome, Progress, Task
from streamseg.errors import StreamsegError
from streamseg.signals import SIGNALS

_LOOK_UP_S = 0.2  # how often it is asked whether to stop
_GRACE_S = 10.0  # for a worker that was asked to end
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PROCESSES = multiprocessing.get_context("spawn")  # a fork would share threads, locks and the GPU


def run_here(jobs: Iterable[Job], task: Task, count: int, stopped: Callable[[], bool]) -> Iterator[Outcome]:
    """Runs `jobs` in `count` processes, and gives what becomes of each as it comes.

    Where it is `stopped`, films under way are given up, and it ends.
    """
    waiting = deque(jobs)
    hands = [_Hand(task.of_worker(number)) for number in range(min(count, len(waiting)))]
    try:
        while not stopped():
            for hand in hands:
                if hand.job is None and waiting:
                    hand.take(waiting.popleft())
            busy = {hand.line: hand for hand in hands if hand.job is not None}
            if not busy:
                return
            for line in wait(list(busy), _LOOK_UP_S):
                yield from busy[line].heard()  # type: ignore[index]
    finally:
        end_s = time.monotonic() + _GRACE_S
        for hand in hands:
            hand.ask_to_end()
        for hand in hands:
            hand.end(max(0.0, end_s - time.monotonic()))


class _Hand:
    """A process that works; another one takes its place where it dies."""

    def __init__(self, task: Task) -> None:
        self.job: Job | None = None
        self._task = task
        self._start()

    def take(self, job: Job) -> None:
        """Begins with a film."""
        if not self._process.is_alive():
            self._start()
        self.job = job
        with contextlib.suppress(OSError):  # it died just now, which its line tells
            self.line.send(job)

    def heard(self) -> Iterator[Outcome]:
        """What it has said."""
        job = self.job
        assert job is not None
        try:
            said: Row | Looked | Lost | float | None = self.line.recv()
        except (EOFError, OSError):
            self._process.join(_GRACE_S)
            self.line.close()
            self.job = None
            yield Lost(job, f"its process ended ({_how(self._process.exitcode)})")
            return
        if isinstance(said, float):
            yield Progress(job.key, said)
            return
        self.job = None
        yield Lost(job, "its process was asked to end") if said is None else said

    def ask_to_end(self) -> None:
        """It gives up what it is doing."""
        self.line.close()
        self._process.terminate()

    def end(self, patience_s: float) -> None:
        """Waits for that; then it is ended."""
        self._process.join(patience_s)
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        self.line, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_life, args=(theirs, self._task), name="streamseg-worker")
        resource_tracker.ensure_running()  # which lets signals through when it starts
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the worker can hear them
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        theirs.close()


def _life(line: Connection, task: Task) -> None:
    """Takes films until nobody is there who gives any."""
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError), SIGNALS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        from streamseg.archive.worker import Worker  # meanwhile the first film waits in the line

        worker = Worker(task)
        while True:
            job: Job = line.recv()
            try:
                line.send(worker(job, lambda share: _tell(line, share)))
            except StreamsegError as error:
                line.send(Lost(job, str(error)))
    os._exit(0)  # a thread may still wait for a source that is gone


def _tell(line: Connection, share: float) -> None:
    try:
        line.send(share)
    except OSError:  # nobody is there: what comes of the film is not wanted
        raise KeyboardInterrupt from None


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}, {signal.Signals(-code).name}"
    return f"exit code {code}"
