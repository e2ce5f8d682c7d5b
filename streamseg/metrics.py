"""Counters and latencies of one stream; every captured frame ends in exactly one counter."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_RECENT = 240  # latencies kept for percentiles: eight seconds at 30 frames a second
_FPS_WINDOW_S = 2.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """How often the network runs, and why; as text, one line."""

    kind: str
    """Which decision it is: stays the same while only its figures waver."""
    decision: str
    """In words, with its figures."""
    reason: str = ""
    """What was measured."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.decision}" if self.reason else self.decision


@dataclass(frozen=True, slots=True)
class Metrics:
    """A reading: `captured == shown + failed + sum(dropped) + in_flight`, at any moment."""

    captured: int
    inferred: int
    shown: int
    failed: int
    dropped: Mapping[str, int]
    """By reason: `newer` (a fresher frame was there), `stopped` (under way when the run ended)."""
    fps: float
    """Frames shown a second over the last two seconds; 0 before the second frame."""
    unwritten: int
    """Shown frames that an output was too slow to take, or could not take: a full disk, a server that is away."""
    recent_ms: Mapping[str, tuple[float, ...]]
    """Stage to the latencies of the last 240 frames."""
    explanation: Explanation | None = None
    """How often the network runs, and why; None outside a pipeline."""
    covered_whole: int = 0
    """Frames shown with the whole picture covered, because no mask could be trusted to say what to hide."""

    @property
    def latency_ms(self) -> Mapping[str, tuple[float, float]]:
        """Stage to (p50, p95) over the last 240 frames."""
        return {stage: _percentiles(values) for stage, values in self.recent_ms.items()}

    @property
    def pace(self) -> str:
        """The explanation in one line; empty outside a pipeline."""
        return str(self.explanation or "")

    @property
    def in_flight(self) -> int:
        """Frames captured whose end is still open."""
        return self.captured - self.shown - self.failed - sum(self.dropped.values())

    def __repr__(self) -> str:
        """Latencies as p50 and p95, and nothing that is zero or empty but the frames that were captured and shown."""
        latencies = {stage: tuple(round(value, 1) for value in pair) for stage, pair in self.latency_ms.items()}
        always = {"captured": self.captured, "shown": self.shown, "fps": round(self.fps, 1)}
        rest = {
            name: getattr(self, name)
            for name in ("inferred", "failed", "dropped", "in_flight", "unwritten", "covered_whole", "pace")
        }
        told = always | {name: value for name, value in (*rest.items(), ("latency_ms", latencies)) if value}
        return f"Metrics({', '.join(f'{name}={value!r}' for name, value in told.items())})"


class Meter:
    """What the stages count into; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captured = self._inferred = self._shown = self._failed = self._covered = 0
        self._dropped: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = {}
        self._shown_at: deque[float] = deque()

    def captured(self) -> None:
        """One more frame came from the source."""
        with self._lock:
            self._captured += 1

    def inferred(self, count: int = 1) -> None:
        """The segmenter finished `count` frames."""
        with self._lock:
            self._inferred += count

    def shown(self, timings_ms: Mapping[str, float], now_s: float | None = None) -> None:
        """One frame reached its end."""
        now = time.monotonic() if now_s is None else now_s
        with self._lock:
            self._shown += 1
            self._shown_at.append(now)
            while self._shown_at[0] < now - _FPS_WINDOW_S:
                self._shown_at.popleft()
            for stage, value in timings_ms.items():
                self._recent.setdefault(stage, deque(maxlen=_RECENT)).append(value)

    def covered_whole(self) -> None:
        """Of one frame that will be shown the whole picture was covered."""
        with self._lock:
            self._covered += 1

    def dropped(self, reason: str, count: int = 1) -> None:
        """`count` frames were let go."""
        if count:
            with self._lock:
                self._dropped[reason] += count

    def failed(self, count: int = 1) -> None:
        """The segmenter raised on `count` frames."""
        with self._lock:
            self._failed += count

    def read(self, unwritten: int = 0, explanation: Explanation | None = None) -> Metrics:
        """All of it, from one moment."""
        with self._lock:
            span = self._shown_at[-1] - self._shown_at[0] if len(self._shown_at) > 1 else 0.0
            return Metrics(
                captured=self._captured,
                inferred=self._inferred,
                shown=self._shown,
                failed=self._failed,
                dropped=dict(self._dropped),
                fps=(len(self._shown_at) - 1) / span if span > 0 else 0.0,
                unwritten=unwritten,
                recent_ms={stage: tuple(values) for stage, values in self._recent.items()},
                explanation=explanation,
                covered_whole=self._covered,
            )


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    last = len(ordered) - 1
    return ordered[round(0.5 * last)], ordered[round(0.95 * last)]
