"""How often the network runs, and at which size: decided from what it takes and from what the source gives."""

from __future__ import annotations

import math
import threading
from collections import deque
from statistics import median
from typing import TYPE_CHECKING, Literal

from streamseg.metrics import Explanation
from streamseg.pipeline.effort import EffortChoice
from streamseg.pipeline.trial import Trial

if TYPE_CHECKING:  # the options name the targets, and `--help` loads no NumPy for them
    from streamseg.frame import Frame, StreamInfo
    from streamseg.options import Effort

Target = Literal["fps", "latency", "quality", "power"]

_RECENT = 15
_KEEPS_UP = 0.8  # of the time between two frames: a network that takes less can have a mask ready for each
_PATIENCE = 1.5  # how much longer than usual a mask is waited for
_FILE_GAP_S = {"fps": 0.4, "latency": 0.4, "power": 2 / 3}  # over 0.4 s all of the mIoU was kept, over 2 / 3 98 %
_LIVE_GAP_S = 0.3  # above it a smaller picture, more often, is worth more than a large one
_REST = 2.0  # for power: the network rests twice as long as it works
_SCALES = (1.0, 0.75, 0.5)


class InferenceScheduler:
    """One stream's rate of masks.

    `fps`: every frame of the source is shown, its mask waited for where the network keeps up and carried by motion
    where it does not. `latency`: nothing is waited for. `quality`: the network looks at every frame that is shown.
    `power`: the network rests most of the time.

    A file has no clock to keep up with, so there the gap between two frames that the network looks at is fixed, or
    none where that is quicker.

    `effort` is what is spent on each mask: None follows the time that is left live, and is quick in a file. Where it is
    given, the gap in a file is as well: two runs then give the same masks. `workers` networks run side by side.
    """

    def __init__(self, target: Target, info: StreamInfo, effort: Effort | None = None, workers: int = 1) -> None:
        self.target, self._live = target, info.live
        self.carries = target != "quality"
        """Whether frames may be shown with a mask of an earlier or later one."""
        every = 1 if info.live or not self.carries else max(1, round(_FILE_GAP_S[target] * (info.fps or 25.0)))
        self._trial = Trial(every, workers, fixed=effort is not None or target == "power")
        self.effort = EffortChoice(effort or (None if info.live else "quick"), "usual" if target == "power" else "fine")
        """What is spent on the next frame's mask."""
        self.scale = 1.0
        """Of the network's usual input side, where that is free."""
        self._measuring = threading.Lock()  # workers finish frames while another thread changes the network
        self._took_s: deque[float] = deque(maxlen=_RECENT)
        self._gaps_s: deque[float] = deque(maxlen=_RECENT)
        self._gap_s = 1 / (info.fps or 25.0)
        self._usual_s = 0.0
        self._arrived_s: float | None = None
        self._rests_until_s = 0.0

    def arrived(self, frame: Frame) -> None:
        """A frame came from the source."""
        if self._arrived_s is not None:
            self._gaps_s.append(frame.arrived_s - self._arrived_s)
            self._gap_s = median(self._gaps_s)
        self._arrived_s = frame.arrived_s

    def due(self, now_s: float) -> bool:
        """Whether the network is to look at a frame of `now_s`; the caller then hands it over."""
        if now_s < self._rests_until_s:
            return False
        if self.target == "power" and self._live:
            self._rests_until_s = math.inf  # until it is done: a frame that waits would leave it no rest
        return True

    @property
    def every(self) -> int:
        """In a file the network looks at every n-th frame from now on."""
        return self._trial.every

    def showed(self, now_s: float, carrying_s: float, others_s: float, *, own: bool) -> None:
        """A frame was shown with its `own` mask or another one's; carrying or steadying that took `carrying_s`.

        `others_s` is how long the caller was at work on the frame apart from that; waiting for a mask is no work.
        """
        gap_s = max(self._gap_s, self._usual_s) if self.target == "quality" else self._gap_s
        self.effort.took(carrying_s, others_s, gap_s)
        self._trial.shown(now_s, own=own)

    def took(self, seconds: float, now_s: float) -> None:
        """The network finished a frame after `seconds` of work."""
        self._trial.looked(seconds)
        if self.target == "power" and self._live:  # a file's gap is fixed: the caller waits for just these masks
            self._rests_until_s = now_s + _REST * seconds
        with self._measuring:
            self._took_s.append(seconds)
            self._usual_s = median(self._took_s)
            slow = len(self._took_s) == _RECENT and self._usual_s > _LIVE_GAP_S
            if self._live and slow and self.scale > _SCALES[-1]:
                self.scale = _SCALES[_SCALES.index(self.scale) + 1]
                self._took_s.clear()

    def another_network(self) -> None:
        """What was measured of the network no longer holds."""
        with self._measuring:
            self._took_s.clear()
            self.scale, self._usual_s = 1.0, 0.0

    @property
    def keeps_up(self) -> bool:
        """Whether every frame of the source can have a mask of its own in time."""
        return 0 < self._usual_s < _KEEPS_UP * self._gap_s

    @property
    def patience_s(self) -> float:
        """How long after a frame's arrival its own mask is waited for."""
        return min(self._gap_s, _PATIENCE * self._usual_s) if self.target == "fps" and self.keeps_up else 0.0

    def explain(self) -> Explanation:
        """The decision and its reason."""
        kind = self._kind()
        decision = _DECISIONS[kind].format(
            every=self.every, period_ms=(1 + _REST) * self._usual_s * 1e3, one_in=self._one_in
        )
        reason = f"network {self._usual_s * 1e3:.0f} ms" if self._took_s or self._live else ""
        if self.scale < 1:
            reason += f" at {self.scale:.0%} of its size"
        if self._live:
            reason += f", source {1 / self._gap_s:.0f} fps" if self._gap_s > 0 else ", source"
        if effort := str(self.effort):
            decision += f", {effort}"
        return Explanation(f"{kind} {self.scale:g} {effort}", decision, reason)

    def _kind(self) -> _Kind:
        if not self._live:
            return "each" if self.every == 1 else "one of several"
        if self.target == "quality":
            return "own"
        if self.target == "power":
            return "rests"
        if self.patience_s:
            return "waits"
        return "newest" if self.keeps_up else "carried"

    @property
    def _one_in(self) -> float:
        """Of how many frames one gets a mask of its own."""
        return max(2, -(-self._usual_s // self._gap_s)) if self._gap_s > 0 else 2


_Kind = Literal["each", "one of several", "own", "rests", "waits", "newest", "carried"]
_DECISIONS: dict[_Kind, str] = {
    "each": "the network looks at every frame",
    "one of several": "the network looks at one frame in {every}, motion fills in between",
    "own": "only frames with a mask of their own are shown",
    "rests": "a mask every {period_ms:.0f} ms, carried by motion between",
    "waits": "every frame waits for its own mask",
    "newest": "masks carried by motion onto the newest frame",
    "carried": "a mask for one frame in {one_in:.0f}, carried by motion between",
}
