"""Networks in a process that was forked from the one that opened them."""

from __future__ import annotations

import ctypes
import os
import weakref

_sessions: weakref.WeakSet[object] = weakref.WeakSet()


def keep_in_forks(*sessions: object) -> None:
    """A fork never frees `sessions`: that would wait for the end of threads, which exist in its parent alone."""
    _sessions.update(sessions)


def _keep() -> None:
    for session in _sessions:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep)
