"""Whether rules hold, from frame to frame: limits with hysteresis, durations, and what joins them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
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
        return _Joined([node.part], _not)
    if isinstance(node, Lasting):
        return _Joined([node.part], functools.partial(_lasting, node.seconds))
    return _Joined(node.parts, _all if isinstance(node, All) else _any)


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


_Since: TypeAlias = Callable[["list[Instant | None]", "Instant | None", Instant], "Instant | None"]


class _Joined:
    """Holds as `since` says, from when its parts began to hold, when it began itself, and now."""

    since: Instant | None = None

    def __init__(self, parts: Sequence[Node], since: _Since) -> None:
        self.parts, self._since = [state_of(part) for part in parts], since

    def update(self, measured: Measured, now: Instant) -> Instant | None:
        self.since = self._since([part.update(measured, now) for part in self.parts], self.since, now)
        return self.since


def _not(parts: list[Instant | None], before: Instant | None, now: Instant) -> Instant | None:
    return None if parts[0] else before or now


def _all(parts: list[Instant | None], before: Instant | None, now: Instant) -> Instant | None:
    found = [part for part in parts if part]
    return max(found) if len(found) == len(parts) else None


def _any(parts: list[Instant | None], before: Instant | None, now: Instant) -> Instant | None:
    first = min((part for part in parts if part), default=None)
    if before and first and first.time_s < now.time_s:
        return min(before, first)  # one part held on from where another ceased
    return first


def _lasting(seconds: float, parts: list[Instant | None], before: Instant | None, now: Instant) -> Instant | None:
    (since,) = parts
    return since if since and now.time_s - since.time_s >= seconds - ROUNDING_S else None


State: TypeAlias = _Limits | _Crossing | _Joined
"""What is remembered of a part of a rule: `since` says when it began to hold, None that it does not."""


def _reached(limit: Limit, value: float) -> bool:
    return _SIGNS[limit.sign](value, limit.value)
