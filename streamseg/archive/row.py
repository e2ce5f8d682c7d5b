"""What is known of a film once it was run: a row of the summary."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import Shown
from streamseg.measure import Totals
from streamseg.moment import ROUNDING_S

_MINUTE_S = 60.0


class ClassSums(msgspec.Struct, frozen=True):
    """What was seen of a class in a film."""

    mean_percent: float
    """Share of the picture, 0 to 100, over all frames."""
    most_percent: float
    most_objects: int | None = None
    """At once; None for models that do not tell objects apart."""


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in a minute of a film."""

    from_s: float
    """Of video; a multiple of 60."""
    frames: int
    events: int
    """How many began."""
    classes: dict[str, ClassSums]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A film that is done, or that failed."""

    file: str
    """As it was found."""
    results: str
    """What its results are called: what stands for `{stem}`."""
    version: str = ""
    """Of the file: its size and when it was changed."""
    frames: int = 0
    failed_frames: int = 0
    seconds: float = 0.0
    """Of video, from the first frame to the last."""
    took_s: float = 0.0
    classes: dict[str, ClassSums] = {}
    events: int = 0
    minutes: tuple[Minute, ...] = ()
    """Those with frames, in their order."""
    warnings: tuple[str, ...] = ()
    """Lines that were said of it."""
    error: str = ""
    """One line; empty where it is done."""
    exit_code: int = 0
    """What `run` would end with."""

    @property
    def done(self) -> bool:
        """Whether all of its results are there."""
        return not self.error


class Tally:
    """An output that adds up what a row says."""

    blocking = False
    needs_image = False
    unwritten = 0

    def __init__(self) -> None:
        self._film = _Span()
        self._minutes: list[tuple[float, _Span]] = []
        self._first_s = self._last_s = 0.0

    def write(self, shown: Shown) -> None:
        """Counts a frame in."""
        time_s, areas = shown.frame.time_s, shown.segmentation.areas()
        if not self._film.frames:
            self._first_s = time_s
        self._last_s, from_s = time_s, (time_s + ROUNDING_S) // _MINUTE_S * _MINUTE_S
        if not self._minutes or self._minutes[-1][0] != from_s:
            self._minutes.append((from_s, _Span()))
        for span in (self._film, self._minutes[-1][1]):
            span.add(shown, areas)

    def close(self) -> None:
        """Nothing is open."""

    @property
    def frames(self) -> int:
        """So far."""
        return self._film.frames

    @property
    def events(self) -> int:
        """How many began, of all rules."""
        return self._film.events

    @property
    def seconds(self) -> float:
        """Of video, from the first frame to the last."""
        return round(self._last_s - self._first_s, 3)

    def classes(self) -> dict[str, ClassSums]:
        """By the name of each."""
        return self._film.classes()

    def minutes(self) -> tuple[Minute, ...]:
        """Those with frames, in their order."""
        return tuple(
            Minute(from_s=from_s, frames=span.frames, events=span.events, classes=span.classes())
            for from_s, span in self._minutes
        )


class _Span:
    """Frames that are counted together."""

    def __init__(self) -> None:
        self.frames = self.events = 0
        self._seen: dict[tuple[str, ...], Totals] = {}

    def add(self, shown: Shown, areas: NDArray[np.float64]) -> None:
        self.frames += 1
        self.events += sum(event.kind == "start" for event in shown.events)
        classes = shown.segmentation.classes  # which change where another model takes over
        self._seen.setdefault(classes.names, Totals(classes)).add(shown.segmentation, areas)

    def classes(self) -> dict[str, ClassSums]:
        found = {}
        for names, totals in self._seen.items():
            for number, name in enumerate(names):
                mean, most = totals.sum[number] / self.frames, totals.most[number]
                objects = None if totals.objects is None else totals.objects[number]
                found[name] = ClassSums(_percent(mean), _percent(most), objects)
        return found


def _percent(share: float) -> float:
    return round(float(share) * 100, 4)
