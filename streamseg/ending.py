"""What is done when a program ends: streams are closed, networks come back, and then GPUs are given back.

Python ends the threads that are left as soon as they come back to it. One that comes back from a network aborts the
whole process then (SIGABRT), as C++ cannot be left that way; and an output that nobody closed stays unfinished.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator
from typing import Any

PATIENCE_S = 10.0
"""For streams to end and networks to come back, in all: a GPU that hangs never answers."""
_LOOK_UP_S = 0.02
# The frames of a stream hold it while they are under way. Were it held here, nothing would let go of one that failed:
# its error has a traceback, which has the frames.
_streams: weakref.WeakKeyDictionary[Generator[Any, None, None], weakref.WeakMethod[Callable[[], None]]]
_streams = weakref.WeakKeyDictionary()
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_last: list[Callable[[], None]] = []


def close_at_exit(frames: Generator[Any, None, None], close: Callable[[], None]) -> None:
    """Has `close` called unless `frames` has ended by then; where another thread reads them, that is waited for.

    `close` is a method of what `frames` hold.
    """
    _streams[frames] = weakref.WeakMethod(close)


def wait_at_exit(thread: threading.Thread) -> None:
    """Has a thread waited for that may be inside a network."""
    _threads.add(thread)


def call_last_at_exit(call: Callable[[], None]) -> None:
    """Has something called behind all of that, what was said last first."""
    _last.append(call)


@atexit.register
def _end() -> None:
    for held in [held for frames, held in list(_streams.items()) if _under_way(frames)]:
        with contextlib.suppress(Exception):  # nobody is left who could be told
            if close := held():
                close()
    deadline_s = time.monotonic() + PATIENCE_S
    while any(map(_under_way, list(_streams))) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_UP_S)
    for thread in list(_threads):
        thread.join(max(0.0, deadline_s - time.monotonic()))
    while _last:
        _last.pop()()


def _under_way(frames: Generator[Any, None, None]) -> bool:
    return inspect.getgeneratorstate(frames) != inspect.GEN_CLOSED


def _forget() -> None:
    """In a process that was forked: its threads are gone, and all else is its parent's."""
    _streams.clear()
    _threads.clear()
    _last.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
