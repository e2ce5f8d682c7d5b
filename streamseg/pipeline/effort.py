"""How much is spent on carrying and steadying masks: live as much as the time between two frames leaves."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # as for the scheduler: `--help` loads no NumPy
    from streamseg.contracts import MaskPropagator
    from streamseg.options import Effort

_COSTS: Mapping[Effort, float] = {"quick": 0.65, "usual": 1.0, "fine": 2.7}  # beside each other, docs/motion.md:
# between those of masks that are fitted and of those that are not
_RECENT, _FEWEST = 15, 5  # frames
_SHARE = 0.3  # of the time between two frames, for more than the quickest: the network wants the core as well
_FULL = 0.9  # of it, for all that is done to a frame where masks are carried
_SPARE = 0.75  # of what is left: more is spent only where it takes no more than that
_REST = 150  # frames after less was spent, before more is tried: five seconds


class EffortChoice:
    """The effort of one stream's next frame.

    `fixed` stays as it is. Otherwise it begins with the usual one, and follows what carrying took lately and what else
    happened to each frame: up to `most`, and down to none at all, so that steadying never costs a frame.
    """

    def __init__(self, fixed: Effort | None = None, most: Effort = "fine") -> None:
        self.now: Effort | None = fixed or "usual"
        self._levels = [None, *(each for each, cost in _COSTS.items() if cost <= _COSTS[most])]
        self._fixed = fixed is not None
        self._applied = False
        self._costs_s: deque[float] = deque(maxlen=_RECENT)  # of a frame, were the effort usual
        self._others_s: deque[float] = deque(maxlen=_RECENT)
        self._waits = 0

    def apply(self, propagator: MaskPropagator) -> None:
        """Lets `propagator` spend it on the next frame."""
        propagator.effort = self.now
        self._applied = True

    def took(self, carrying_s: float, others_s: float, gap_s: float) -> None:
        """Of the `gap_s` to the next frame carrying or steadying a mask took `carrying_s`, all else `others_s`."""
        if self._fixed:
            return
        if self.now is not None:
            self._costs_s.append(carrying_s / _COSTS[self.now])
        self._others_s.append(others_s)
        self._waits = max(0, self._waits - 1)
        if self.now is None and not self._waits:  # what it would take by now is not known
            self.now = "quick"
            self._costs_s.clear()
        elif len(self._costs_s) >= _FEWEST:
            self._follow(gap_s)

    def _follow(self, gap_s: float) -> None:
        level, most = (self._levels.index(each) for each in (self.now, self._best(gap_s)))
        if most < level:
            self.now, self._waits = self._levels[most], _REST
        elif not self._waits and level < self._levels.index(self._best(gap_s, _SPARE)):
            self.now = self._levels[level + 1]

    def _best(self, gap_s: float, spare: float = 1.0) -> Effort | None:
        left_s = _FULL * gap_s - median(self._others_s)
        most_s = {each: left_s if each == "quick" else min(left_s, _SHARE * gap_s) for each in _COSTS}
        cost_s = median(self._costs_s)
        fitting = [each for each in self._levels if each and _COSTS[each] * cost_s <= spare * most_s[each]]
        return fitting[-1] if fitting else None

    def __str__(self) -> str:
        """In words; empty where nothing carries masks or steadies them."""
        if not self._applied:
            return ""
        return f"effort {self.now}" if self.now else "masks not steadied"
