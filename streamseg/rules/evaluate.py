"""Rules of one stream, evaluated on the mask of every frame that is shown."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Literal

import msgspec

from streamseg.frame import Frame
from streamseg.rules.conditions import Instant, leading, longest, state_of
from streamseg.rules.counts import Counts, class_names
from streamseg.rules.event import DIGITS, Event, Findings, RuleReading, written
from streamseg.rules.grammar import Rule, Subject
from streamseg.rules.shapes import Ground, Line, Polygon
from streamseg.segmentation import Classes, Segmentation

_UPDATES_S = 1.0  # of a stream, between two messages of an event that lasts
_MOST_FRAMES = 100_000  # in which what is measured only fell: for a stream whose clock stands still
Sure = Callable[[tuple[Subject, ...]], Mapping[str, float]]


class Rules:
    """Measures zones and lines, and tells when rules begin and cease to hold; belongs to one thread.

    Takes frames in their order. What it knows of objects begins again where the size of frames or the model changes.
    """

    def __init__(
        self,
        *,
        zones: Mapping[str, Polygon] | None = None,
        lines: Mapping[str, Line] | None = None,
        rules: Mapping[str, Rule] | None = None,
        ground: Ground | None = None,
    ) -> None:
        self._zones, self._lines, self._ground = zones or {}, lines or {}, ground
        self._rules = [_Running(name, rule) for name, rule in (rules or {}).items()]
        self._subjects = tuple(dict.fromkeys(subject for each in self._rules for subject in each.rule.subjects))
        self._counts: Counts | None = None

    def __call__(self, frame: Frame, segmentation: Segmentation) -> Findings:
        """What is found in the next frame by its mask.

        Raises:
            InputError: the model has no class of that name.
        """
        if self._counts is None or not self._counts.fits(frame, segmentation):
            self._counts = Counts(self._zones, self._lines, self._ground, self._subjects, frame, segmentation)
        self._counts.see(frame, segmentation)
        values, now = self._counts.values(), Instant(frame.time_s, _utc(frame))
        events: list[Event] = []
        for each in self._rules:
            events += each.update(values, now, self._counts.scores, frame.stream, segmentation.classes)
        active = {place for each in self._rules if each.holds for place in each.places}
        rules = tuple(each.reading for each in self._rules)
        return Findings(tuple(events), self._counts.readings(), frozenset(active), rules)


class _Running:
    """A rule and the last message of its event, while there is one."""

    def __init__(self, name: str, rule: Rule) -> None:
        self.name, self.rule, self._state = name, rule, state_of(rule.tree)
        self._recent, self._subject = _Recent(rule.subjects, longest(rule.tree)), rule.subjects[0]
        self.places = tuple(dict.fromkeys(each.place for each in rule.subjects if each.place))
        self._crosses = any(each.quantity == "crosses" for each in rule.subjects)
        self._told: Event | None = None
        self._peak = self._value = 0.0
        self._unit = ""

    @property
    def reading(self) -> RuleReading:
        """Of the newest frame."""
        return RuleReading(self.name, self._value, self._unit, self._told.began if self._told else "")

    @property
    def holds(self) -> bool:
        """In the newest frame."""
        return self._told is not None

    def update(
        self, values: Mapping[Subject, float], now: Instant, sure: Sure, stream: str, classes: Classes
    ) -> Iterator[Event]:
        """What is to be told of the frame of `now`."""
        since = self._state.update(values, now)
        self._recent.see(values, now.time_s)
        subject = leading(self._state)
        self._value, self._unit = values[subject], subject.unit
        again = self._crosses and since == now  # each crossing is an event of its own
        if self._told is not None and (since is None or again):
            end = self._next("end", self._told, values, now, sure)
            yield msgspec.structs.replace(end, ended_by="rule")
            self._told = None
        if since is None:
            return
        if self._told is None:
            self._subject, self._peak = subject, self._recent.most(subject, since.time_s)
            self._told = Event(
                id=uuid.uuid4().hex, kind="start", rule=self.name, stream=stream,
                zone=self.places[0] if len(self.places) == 1 else "",
                classes=class_names(classes, self.rule.subjects),
                began=since.utc, began_s=round(since.time_s, DIGITS), at=now.utc, at_s=round(now.time_s, DIGITS),
                value=values[subject], peak=self._peak, unit=subject.unit, scores=sure(self.rule.subjects),
            )  # fmt: skip
            yield self._told
            return
        self._peak = max(values[self._subject], self._peak)
        if now.time_s - self._told.at_s >= _UPDATES_S:
            self._told = self._next("update", self._told, values, now, sure)
            yield self._told

    def _next(
        self, kind: Literal["update", "end"], told: Event, values: Mapping[Subject, float], now: Instant, sure: Sure
    ) -> Event:
        """Of what led when the event began, whatever holds it up by now: one unit, and one peak."""
        at_s, scores = round(now.time_s, DIGITS), {**told.scores, **sure(self.rule.subjects)}
        value = values[self._subject]
        return msgspec.structs.replace(
            told, kind=kind, at=now.utc, at_s=at_s, value=value, peak=self._peak, scores=scores
        )


class _Recent:
    """The largest values lately, as far back as a rule may say that it began."""

    def __init__(self, subjects: Iterable[Subject], seconds: float) -> None:
        self._seconds, self._time_s = seconds, 0.0
        self._falling = {each: deque[tuple[float, float]](maxlen=_MOST_FRAMES) for each in subjects}
        """Time and value of what nothing later was as large as."""

    def see(self, values: Mapping[Subject, float], time_s: float) -> None:
        """Told what was measured at `time_s`."""
        for subject, falling in self._falling.items():
            value = values[subject]
            while falling and self._time_s - falling[0][0] > self._seconds:
                falling.popleft()
            while falling and (falling[-1][1] <= value or falling[-1][0] > time_s):
                falling.pop()
            falling.append((time_s, value))
        self._time_s = time_s

    def most(self, subject: Subject, since_s: float) -> float:
        """The largest since then."""
        return next((value for at_s, value in self._falling[subject] if at_s >= since_s), self._falling[subject][-1][1])


def _utc(frame: Frame) -> str:
    return written(datetime.now(timezone.utc) - timedelta(seconds=max(0.0, time.monotonic() - frame.arrived_s)))
