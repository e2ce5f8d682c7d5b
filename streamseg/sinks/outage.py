"""A receiver that comes and goes: what is said of it, and how long it is left alone between two tries."""

from __future__ import annotations

import logging
from collections.abc import Callable

from streamseg.said import Said

FIRST_WAIT_S = 0.5
_SETTLED_S = 30.0  # what has worked for so long is news again where it fails


class Outage:
    """Whether it works. Tries come after half a second, then twice as long, up to `longest_s`.

    A line says why it fails, once an hour for each reason, and where that was said one that it works again.
    """

    def __init__(
        self, log: logging.Logger, longest_s: float, now: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        self.reason = ""
        """Why it fails; empty while it works."""
        self.said = Said(now)
        self._log, self._longest_s, self._now, self._jitter = log, longest_s, now, jitter
        self._told, self._wait_s, self._well_s = False, FIRST_WAIT_S, now()

    def fails(self, reason: str, line: str, least_s: float) -> float:
        """Says `line` where that is news; gives the seconds until the next try, `least_s` or more."""
        if not self.reason and self._now() - self._well_s >= _SETTLED_S:
            self.said = Said(self._now)
        self._told = self.said.once(self._log, logging.WARNING, line) or self._told
        self.reason = reason
        wait_s = max(least_s, self._wait_s * (0.5 + 0.5 * self._jitter()))
        self._wait_s = min(self._longest_s, self._wait_s * 2)
        return wait_s

    def works(self, line: str) -> None:
        """Says `line`, and since when, where it was said that it did not."""
        if not self.reason:
            return
        if self._told:
            self._log.warning("%s, since: %s", line, self.reason)
        self.reason, self._told, self._wait_s, self._well_s = "", False, FIRST_WAIT_S, self._now()
