"""News that many threads find at the same time, or one finds again and again, in a line that is logged once an hour."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

AGAIN_S = 3600.0


class Said:
    """The lines that were logged within the last hour, by one run, by one service, or about one kind of thing.

    What still holds after that is logged again: a service may run for a year.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._lock = now, threading.Lock()
        self._at: dict[str, float] = {}

    def once(self, log: logging.Logger, level: int, line: str) -> bool:
        """Logs `line`, unless that was done less than an hour ago, and says whether it did; from any thread."""
        now_s = self._now()
        with self._lock:
            self._at = {known: at for known, at in self._at.items() if now_s - at < AGAIN_S}
            news = line not in self._at
            self._at.setdefault(line, now_s)
        if news:
            log.log(level, "%s", line)
        return news
