"""Rules as a person writes them, read into what they mean: data, of which nothing is run.

rule       either { "or" either }
either     part { "and" part }
part       "not" part | "(" rule ")" [ "for" TIME ] | condition
condition  CLASS "." ( "area" | "count" | "dwell" | "speed" ) [ "in" ZONE ] limit [ "for" TIME ]
               [ "until" limit [ "for" TIME ] ]
         | CLASS "." "crosses" LINE [ DIRECTION ]
limit      ( ">" | ">=" | "<" | "<=" | "=" ) NUMBER [ UNIT ]
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, NoReturn, TypeAlias, cast

Quantity = Literal["area", "count", "dwell", "speed", "crosses"]
DIRECTIONS = ("northwards", "southwards", "eastwards", "westwards")

_UNITS: dict[str, dict[str, float]] = {
    "area": {"%": 1},
    "count": {"": 1},
    "dwell": {"s": 1, "ms": 1e-3, "min": 60, "h": 3600},
    "speed": {"px/s": 1, "m/s": 1, "km/h": 1},
}
"""Of each quantity; what a number in them is in the first, but for speeds, which are compared in their own."""
_TIMES = _UNITS["dwell"]
_TOKEN = re.compile(
    r"\s*(?:(?P<quoted>'[^']*'|\"[^\"]*\")|(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<word>[^\W\d][\w-]*(?:/[hs]\b)?)"
    r"|(?P<sign>>=|<=|==|[<>=.%()]))"
)
_WORDS = {"and", "or", "not", "in", "for", "until"}
_LONGEST, _DEEPEST = 1000, 20


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured in each frame."""

    class_name: str
    quantity: Quantity
    place: str = ""
    """The zone, or the line that is crossed; "" for the whole picture."""
    direction: str = ""
    """Of a crossing; "" for both."""
    unit: str = ""


class Limit(NamedTuple):
    """A comparison with a number, and for how long it must hold."""

    sign: str
    value: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Condition:
    """Begins to hold at one limit, and ceases at another, or where the first is not reached any more."""

    subject: Subject
    begins: Limit
    until: Limit | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """Holds while `part` does not."""

    part: Node


@dataclass(frozen=True, slots=True)
class All:
    """Holds while all parts do."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Holds while one of the parts does."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Lasting:
    """Holds once `part` has held for so long."""

    part: Node
    seconds: float


Node: TypeAlias = Condition | Not | All | Any | Lasting


class Rule(str):
    """The text of a rule, and in `tree` what it means.

    Raises:
        ValueError: it is no rule; the message names the place.
    """

    tree: Node

    def __new__(cls, text: str) -> Rule:
        """`text`: such as `crack.area in belt > 0.5 % for 2 s`."""
        if not isinstance(text, str):
            raise ValueError("expected a rule, such as person.count in door >= 1")
        rule = super().__new__(cls, text)
        rule.tree = _Reader(text).rule()
        return rule

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """All that it measures, as they stand in it."""
        return tuple(subjects(self.tree))


def subjects(node: Node) -> Iterator[Subject]:
    """All that is measured for `node`."""
    if isinstance(node, Condition):
        yield node.subject
    elif isinstance(node, Not | Lasting):
        yield from subjects(node.part)
    else:
        for part in node.parts:
            yield from subjects(part)


class _Token(NamedTuple):
    kind: str | None
    text: str
    at: int
    """Of its first character, from 1."""


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0

    def rule(self) -> Node:
        """All of the text."""
        node = self._any()
        if self._here.kind:
            self._fail("'and', 'or', or the end of the rule")
        return node

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _any(self) -> Node:
        parts = [self._all()]
        while self._took("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _all(self) -> Node:
        parts = [self._part()]
        while self._took("and"):
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _part(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(f"no more than {_DEEPEST} levels")
        if self._took("not"):
            node: Node = Not(self._part())
        elif self._took("("):
            node = self._any()
            if not self._took(")"):
                self._fail("')'")
            seconds = self._for()
            node = Lasting(node, seconds) if seconds else node
        else:
            node = self._condition()
        self._depth -= 1
        return node

    def _condition(self) -> Condition:
        class_name = self._name("a class, as in person.count")
        if not self._took("."):
            self._fail(f"'.' and what is measured: {', '.join(('crosses', *_UNITS))}")
        quantity = cast("Quantity", self._one_of(("crosses", *_UNITS)))
        if quantity == "crosses":
            line = self._name("a line")
            says_more = self._here.kind == "word" and self._here.text not in _WORDS
            direction = self._one_of(DIRECTIONS) if says_more else ""
            if self._here.text == "for":
                self._fail("nothing: what crosses does so in one frame")
            return Condition(Subject(class_name, quantity, line, direction), Limit(">", 0))
        place = self._name("a zone") if self._took("in") else ""
        begins, unit = self._limit(quantity)
        until: Limit | None = None
        if self._took("until"):
            until, other = self._limit(quantity)
            if other != unit:
                self._fail(f"the same unit as before, {unit}")
            if not _parts_ways(begins, until):
                self._fail("behind 'until' the other side, which ends where the rule began or beyond")
        return Condition(Subject(class_name, quantity, place, unit=unit), begins, until)

    def _limit(self, quantity: str) -> tuple[Limit, str]:
        sign = self._one_of((">=", "<=", ">", "<", "=", "=="))
        number = self._number()
        if quantity == "count" and number % 1:
            self._fail("a whole number of objects before it")
        units = _UNITS[quantity]
        usual = next(iter(units))
        if self._here.kind and self._here.text in units:
            unit = self._take().text
        elif quantity == "speed" or (self._here.kind and self._here.text not in (*_WORDS, ")")):
            self._fail(" or ".join(units) if usual else "no unit behind a count")
        else:
            unit = usual
        if quantity == "area" and number * units[unit] > 100 * units["%"]:
            self._fail("no more than 100 % before it")
        kept = unit if quantity == "speed" else usual
        return Limit(sign.replace("==", "="), number * units[unit], self._for()), kept

    def _for(self) -> float:
        if not self._took("for"):
            return 0.0
        number = self._number()
        return number * _TIMES[self._one_of(_TIMES) if self._here.kind == "word" else "s"]

    def _number(self) -> float:
        if self._here.kind != "number":
            self._fail("a number")
        return float(self._take().text)

    def _name(self, what: str) -> str:
        token = self._here
        if token.kind == "quoted" and len(token.text) > 2:
            return self._take().text[1:-1]
        if token.kind != "word" or token.text in _WORDS or "/" in token.text:
            self._fail(what)
        return self._take().text

    def _one_of(self, words: Collection[str]) -> str:
        if self._here.text not in words:
            near = difflib.get_close_matches(self._here.text, words, n=1)
            self._fail(f"{near[0]}, or another of" if near else "one of", words)
        return self._take().text

    def _took(self, word: str) -> bool:
        if self._here.kind in ("word", "sign") and self._here.text == word:
            self._next += 1
            return True
        return False

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _fail(self, expected: str, words: Collection[str] = ()) -> NoReturn:
        found = f"at character {self._here.at}, '{self._here.text}'" if self._here.kind else "at its end"
        raise ValueError(f"{found}: expected {expected}{' ' + ', '.join(words) if words else ''}")


def _parts_ways(begins: Limit, until: Limit) -> bool:
    """Whether no value is where a condition begins and where it ends."""
    if begins.sign == "=":
        return until.sign != "=" or until.value != begins.value
    above = begins.sign in (">", ">=")
    if until.sign == "=":
        return until.value < begins.value if above else until.value > begins.value
    if (until.sign in (">", ">=")) == above:
        return False
    if until.value == begins.value:
        return "=" not in begins.sign or "=" not in until.sign
    return (until.value < begins.value) == above


def _tokens(text: str) -> Iterator[_Token]:
    if len(text) > _LONGEST:
        raise ValueError(f"a rule has {_LONGEST} characters at most")
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise ValueError(f"at character {at + 1}, '{text[at]}': not part of a rule")
        kind = match.lastgroup
        yield _Token(kind, match[kind or 0], match.start(kind or 0) + 1)
        at = match.end()
    yield _Token(None, "", len(text) + 1)
