"""Time stamps of a stream as seconds since its first frame: monotonic, whatever the other side's clock does."""

from __future__ import annotations

import logging
import math

_log = logging.getLogger(__name__)
_TOLERANCE_S = 0.1  # stamps that step back by less are disorder, not a new clock


class Timeline:
    """Reads one stamp after another.

    A frame without a stamp follows the one before at the nominal distance `step_s`, or later where that one lasts
    longer (a film that is spread over the rate of television), though never sooner (its two fields may be told of one
    by one). So does the first frame after a
    stamp that steps back (recordings that were joined by copying begin again in the middle), or that lies more than
    `longest_gap_s` ahead (a camera that set its clock). Where there is such a limit, the same stamp again is none: the
    camera's clock stands still, or moves once for several frames, and is asked how far apart those are: the rate that
    a camera names may be far too low.
    """

    def __init__(self, name: str, step_s: float, longest_gap_s: float = math.inf) -> None:
        self._name, self._step_s, self._longest_gap_s = name, step_s, longest_gap_s
        self._shift_s: float | None = None  # known with the first stamp, which the first frame need not have
        self._last_s, self._lasts_s = 0.0, 0.0
        self._stamp_s: float | None = None
        self._measured_s, self._seen = step_s, 0  # frames since that stamp came
        self._begun = False
        self._told = False

    def read(self, stamp_s: float | None, lasts_s: float | None = None) -> float:
        """Seconds since the first frame for a frame that says `stamp_s`, and that it is to be shown for `lasts_s`."""
        stamp_s = self._new(stamp_s)
        behind_s, self._lasts_s = max(self._measured_s, self._lasts_s), lasts_s or 0.0
        due_s = self._last_s + behind_s if self._begun else 0.0
        self._begun = True
        if self._shift_s is None and stamp_s is not None:
            self._shift_s = due_s - stamp_s
        time_s = due_s if stamp_s is None or self._shift_s is None else stamp_s + self._shift_s
        if stamp_s is not None and not -_TOLERANCE_S <= time_s - self._last_s <= self._longest_gap_s:
            self._shift_s, time_s = due_s - stamp_s, due_s
            self._tell()
        self._last_s = max(self._last_s, time_s)
        return self._last_s

    def _new(self, stamp_s: float | None) -> float | None:
        """`stamp_s`, and how far apart frames are by it; None where the clock has not moved."""
        self._seen += 1
        if stamp_s is None or self._longest_gap_s == math.inf:
            return stamp_s
        if stamp_s == self._stamp_s:
            return None
        if self._stamp_s is not None and stamp_s > self._stamp_s:
            self._measured_s = min(self._step_s, (stamp_s - self._stamp_s) / self._seen)
        self._stamp_s, self._seen = stamp_s, 0
        return stamp_s

    def _tell(self) -> None:
        if not self._told:
            _log.info("%s: its clock jumps; times continue from the last frame", self._name)
            self._told = True
