"""The network alone on one picture, over and over, on all cores: nothing with this network can be quicker.

The threads here are started by hand because a floor may contain nothing of what stands on it.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from streamseg.bench.loop import Inside, Task
from streamseg.infer.backends import open_backend

_AHEAD = 8


def alone(task: Task, backend: str, workers: int, threads: int, file: Path | None = None) -> Inside:
    """`workers` runs side by side, each with `threads` threads."""
    image = np.random.default_rng(0).integers(0, 256, (1, *task.size, 3), dtype=np.uint8)

    def start() -> Iterator[None]:
        networks = [open_backend(file or task.file, threads, backend, gpu=task.gpu or 0) for _ in range(workers)]
        try:
            yield from _counted([functools.partial(network.run, {task.image: image}) for network in networks])
        finally:
            for network in networks:
                network.close()

    return Inside("network alone", f"{backend}, {workers} x {threads} threads", start)


def _counted(runs: list[Callable[[], object]]) -> Iterator[None]:
    """One None for each run that is done; ends its threads when it is closed."""
    done: queue.Queue[None] = queue.Queue(_AHEAD)
    ended = threading.Event()

    def life(run: Callable[[], object]) -> None:
        while not ended.is_set():
            run()
            done.put(None)

    threads = [threading.Thread(target=life, args=(run,), daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    try:
        while True:
            yield done.get()
    finally:
        ended.set()
        while any(thread.is_alive() for thread in threads):
            while not done.empty():
                done.get()
            for thread in threads:
                thread.join(0.01)
