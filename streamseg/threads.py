"""Manners of threads: who goes first, and how long an end is waited for."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Sequence

_log = logging.getLogger(__name__)
_NICENESS = 5


def step_behind() -> None:
    """Lets every other thread of the process go first; threads that this one starts inherit it.

    Without this a network that fills every core makes each frame wait for its turn.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def join(threads: Sequence[threading.Thread], deadline_s: float | None) -> None:
    """Waits for each to end, until `deadline_s` of the monotonic clock at most; who is late is left behind."""
    for thread in threads:
        thread.join(None if deadline_s is None else max(0.0, deadline_s - time.monotonic()))
        if thread.is_alive():
            _log.warning("%s did not end in time and is left behind", thread.name)
