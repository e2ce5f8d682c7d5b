"""Networks in a process that was forked from the one that opened them."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Protocol


class Renewed(Protocol):
    """What holds something that a fork must not share with its parent."""

    def begin_again(self) -> None:
        """Called in the fork, whose only thread is the one that forked."""


_sessions: weakref.WeakSet[object] = weakref.WeakSet()
_renewed: weakref.WeakSet[Renewed] = weakref.WeakSet()


def keep_in_forks(*sessions: object) -> None:
    """A fork never frees `sessions`: that would wait for the end of threads, which exist in its parent alone."""
    _sessions.update(sessions)


def renew_in_forks(thing: Renewed) -> None:
    """A fork has `thing` begin again: other threads of its parent may have been using it, and may still do there."""
    _renewed.add(thing)


def _forked() -> None:
    for session in _sessions:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    for thing in _renewed:
        thing.begin_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
