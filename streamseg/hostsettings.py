"""Settings that libraries have once for the whole process: changed only while streamseg needs them, then restored."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import cv2


class Setting:
    """A context in which a setting has `value`; any number of threads may be in it at once.

    The first to enter changes it and the last to leave restores it, unless the program has changed it meanwhile.
    """

    def __init__(self, get: Callable[[], int], set_to: Callable[[int], object], value: int) -> None:
        self._get, self._set_to, self._value = get, set_to, value
        self._lock = threading.Lock()
        self._users = self._before = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._before = self._get()
                self._set_to(self._value)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._get() == self._value:
                self._set_to(self._before)


def _set_opencv_threads(count: int) -> None:
    """0 is one thread too, and leaves the others idle: 1 waits for their end, which in a forked process is never."""
    cv2.setNumThreads(count if count > 1 else 0)


_pillow = logging.getLogger("PIL")
opencv_one_thread = Setting(cv2.getNumThreads, _set_opencv_threads, 1)
"""For a run: its stages are the threads, and OpenCV's own would do the same work in up to twice the time."""
_levels = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 has them there, 4.10 in `cv2` itself
_SILENT = 0
opencv_silent = Setting(_levels.getLogLevel, _levels.setLogLevel, _SILENT)
"""For what fails with a line of streamseg's own, without OpenCV's on the standard error."""
pillow_silent = Setting(lambda: _pillow.level, _pillow.setLevel, logging.CRITICAL)
"""The same for Pillow."""
