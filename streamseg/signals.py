"""Ctrl-C, SIGTERM and the closing of a terminal: one request to end, however many signals bring it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

_ONE_REQUEST_S = 2.0  # `timeout`, shells and wrappers pass a signal on that has been heard already
_HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FRAGILE = ("importlib._bootstrap", "msgspec/_utils", "logging/__init__")
# Imports, and msgspec while it learns a type: an interruption would leave a compiled module half made, which was seen
# to end in segmentation faults. Logging takes it for an error of its own, and goes on.
_SOON_S, _AGAIN_S = 0.02, 0.25


class Signals:
    """`with Signals() as signals:` hears requests to end until the end of the block.

    The first interrupts as Ctrl-C does, or calls what `calling` was given. Those within two seconds of it say nothing
    new; a later one means that the user will not wait, and ends the process with 128 plus its number.

    An interruption can be lost: whatever runs in a destructor or in a callback of C is finished without it, and what
    comes just before a call that waits is seen behind it. So it comes again until the stack is unwound by it, or until
    `heard`.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        """Of the signal that came first."""
        self._first_s = 0.0
        self._stop: Callable[[], object] | None = None

    def __enter__(self) -> Signals:
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup, and it was meant
        heard = [number for number in _HEARD if not (ignored and number == signal.SIGHUP)]
        self._unraisable = sys.unraisablehook
        sys.unraisablehook = self._dropped
        self._before = {number: signal.signal(number, self._caught) for number in heard}
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._ask)
        return self

    def __exit__(self, *exception: object) -> None:
        self.heard()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._unraisable

    @contextlib.contextmanager
    def calling(self, stop: Callable[[], object]) -> Iterator[None]:
        """Inside, a request calls `stop` instead of interrupting.

        Raises:
            KeyboardInterrupt: one has come already; Python drops the interruption itself where it falls into a
                clean-up of the interpreter's own, such as the import machinery's.
        """
        self._stop = stop
        if self.number is not None:
            self.heard()
            raise KeyboardInterrupt
        try:
            yield
        finally:
            self._stop = None

    def heard(self) -> None:
        """To be said where a KeyboardInterrupt is caught for good: it does not come again."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _caught(self, number: int, stack: FrameType | None) -> None:
        if self.number is None:
            self.number, self._first_s = number, time.monotonic()
            self._ask(number, stack)
        elif time.monotonic() - self._first_s > _ONE_REQUEST_S:
            os._exit(128 + number)

    def _dropped(self, what: sys.UnraisableHookArgs) -> None:
        """Of an interruption in a destructor or a callback Python would print a traceback; it comes again."""
        if not isinstance(what.exc_value, KeyboardInterrupt):
            self._unraisable(what)

    def _ask(self, number: int, stack: FrameType | None) -> None:
        if self._stop is not None:
            self._stop()
        elif _is_fragile(stack):
            signal.setitimer(signal.ITIMER_REAL, _SOON_S, _SOON_S)
        elif interrupted(sys.exc_info()[1]):
            self.heard()
        else:
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S, _AGAIN_S)
            raise KeyboardInterrupt


def interrupted(error: BaseException | None) -> bool:
    """Whether this is an interruption, or came up while one was on its way."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def _is_fragile(stack: FrameType | None) -> bool:
    while stack is not None:
        if any(part in stack.f_code.co_filename for part in _FRAGILE):
            return True
        stack = stack.f_back
    return False


SIGNALS = Signals()
"""Those of this process: `program` hears them from its first moment to its last."""
