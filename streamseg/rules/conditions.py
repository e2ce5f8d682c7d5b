"""Whether rules hold, from frame to frame: limits with hysteresis, durations, and what joins them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from streamseg.moment import ROUNDING_S
from streamseg.rules.grammar import All, Condition, Lasting, Limit, Node, Not, Subject

_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq,
}  # fmt: skip
Measured = Mapping[Subject, float]


class Instant(NamedTuple):
    """A moment of a stream."""

    time_s: float
    """On its own clock."""
    utc: str


def state_of(node: Node) -> State:
    """The state of a rule that has seen no frame."""
    if isinstance(node, Condition):
        return _Crossing(node) if node.subject.quantity == "crosses" else _Limits(node)
    if isinstance(node, Not):
        return _Not([state_of(node.part)])
    if isinstance(node, Lasting):
        return _Lasting([state_of(node.part)], node.seconds)
    return (_All if isinstance(node, All) else _Any)([state_of(part) for part in node.parts])


def leading(state: State) -> Subject:
    """What the first condition that holds measures; of none the first one."""
    conditions = list(_conditions(state))
    return next((each for each in conditions if each.since is not None), conditions[0]).subject


def longest(node: Node) -> float:
    """Seconds that a rule may have held before it is said to: those of `for`."""
    if isinstance(node, Condition):
        return node.begins.seconds
    if isinstance(node, Lasting):
        return node.seconds + longest(node.part)
    return 0.0 if isinstance(node, Not) else max(map(longest, node.parts))


def _conditions(state: State) -> Iterator[_Limits | _Crossing]:
    if isinstance(state, _Limits | _Crossing):
        yield state
    else:
        for part in state.parts:
            yield from _conditions(part)


class _Limits:
    since: Instant | None = None

    def __init__(self, condition: Condition) -> None:
        self.subject, self._begins, self._until = condition.subject, condition.begins, condition.until
        self._met: Instant | None = None
        """Since when the limit is reached that would change it."""

    def update(self, measured: Measured, now: Instant) -> Instant | None:
        value = measured[self.subject]
        if self.since is None:
            met, seconds = _reached(self._begins, value), self._begins.seconds
        elif self._until is not None:
            met, seconds = _reached(self._until, value), self._until.seconds
        else:
            met, seconds = not _reached(self._begins, value), 0.0
        self._met = (self._met or now) if met else None
        if self._met is not None and now.time_s - self._met.time_s >= seconds - ROUNDING_S:
            self.since, self._met = (self._met if self.since is None else None), None
        return self.since


class _Crossing:
    """Holds in the frame in which something crosses, and begins with each such frame."""

    since: Instant | None = None

    def __init__(self, condition: Condition) -> None:
        self.subject = condition.subject

    def update(self, measured: Measured, now: Instant) -> Instant | None:
        self.since = now if measured[self.subject] > 0 else None
        return self.since


class _Not:
    since: Instant | None = None

    def __init__(self, parts: list[State]) -> None:
        self.parts = parts

    def update(self, measured: Measured, now: Instant) -> Instant | None:
        (part,) = self.parts
        self.since = (self.since or now) if part.update(measured, now) is None else None
        return self.since


class _All:
    since: Instant | None = None

    def __init__(self, parts: list[State]) -> None:
        self.parts = parts

    def update(self, measured: Measured, now: Instant) -> Instant | None:
        found = [since for part in self.parts if (since := part.update(measured, now)) is not None]
        self.since = max(found) if len(found) == len(self.parts) else None
        return self.since


class _Any:
    since: Instant | None = None

    def __init__(self, parts: list[State]) -> None:
        self.parts = parts

    def update(self, measured: Measured, now: Instant) -> Instant | None:
        found = [since for part in self.parts if (since := part.update(measured, now)) is not None]
        first = min(found, default=None)
        if self.since is not None and first is not None and first.time_s < now.time_s:
            first = min(self.since, first)  # one part held on from where another ceased
        self.since = first
        return first


class _Lasting:
    since: Instant | None = None

    def __init__(self, parts: list[State], seconds: float) -> None:
        self.parts, self._seconds = parts, seconds

    def update(self, measured: Measured, now: Instant) -> Instant | None:
        (part,) = self.parts
        since = part.update(measured, now)
        lasted = since is not None and now.time_s - since.time_s >= self._seconds - ROUNDING_S
        self.since = since if lasted else None
        return self.since


State: TypeAlias = _Limits | _Crossing | _Not | _All | _Any | _Lasting
"""What is remembered of a part of a rule: `since` says when it began to hold, None that it does not."""


def _reached(limit: Limit, value: float) -> bool:
    return _SIGNS[limit.sign](value, limit.value)
