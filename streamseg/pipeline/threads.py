"""Manners of threads: who goes first, and how long an end is waited for."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence

from streamseg.contracts import Sink, Source

_log = logging.getLogger(__name__)
_NICENESS = 5  # more than the process has
_LOOK_UP_S = 0.1  # how often a waiting thread looks whether it is in a hurry now


def step_behind() -> None:
    """Lets every other thread of the process go first; threads that this one starts inherit it.

    Without this a network that fills every core makes each frame wait for its turn.
    """
    with contextlib.suppress(AttributeError, OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS)


def start(threads: list[threading.Thread], name: str, life: Callable[[], None]) -> None:
    """Starts a thread; it stands in `threads` even where it cannot start, or Ctrl-C comes in between."""
    context = contextvars.copy_context()  # so that its log lines belong to its stream
    threads.append(threading.Thread(target=context.run, args=(life,), name=name, daemon=True))
    threads[-1].start()


def join(threads: Sequence[threading.Thread], hurried: Callable[[], bool], grace_s: float) -> None:
    """Waits for each to end, and once `hurried` for `grace_s` more in all; who is late then is left behind."""
    deadline_s = math.inf
    for thread in threads:
        while thread.is_alive() and time.monotonic() < deadline_s:
            thread.join(_LOOK_UP_S)
            if deadline_s == math.inf and hurried():
                deadline_s = time.monotonic() + grace_s
        if thread.is_alive():
            _log.warning("%s did not end in time and is left behind", thread.name)


def close_all(*parts: Source | Sink) -> BaseException | None:
    """Closes each, whatever another says to that, and gives the first error."""
    first: BaseException | None = None
    for part in parts:
        try:
            part.close()
        except BaseException as error:
            first = first or error
    return first
