"""A moment of a source, as a person names it: `90`, `1:30` and `1:02:03.5` are times, `250f` counts frames."""

from __future__ import annotations

import math
import re

_TIME = re.compile(
    r"(?:(?:(?P<hours>\d{1,6}):(?=[0-5]?\d:))?(?P<minutes>\d{1,6}):(?=[0-5]?\d\b))?(?P<seconds>\d{1,9}(?:\.\d{1,9})?)"
)
_FRAMES = re.compile(r"(?P<frames>\d{1,12})f")
ROUNDING_S = 1e-6
"""By how much two times that are meant to be the same may differ: stamps are fractions, and so are their sums."""


class Moment(str):
    """A time in seconds since the first frame of a source, or the index of a frame: the text that a person wrote.

    Raises:
        ValueError: it is neither.
    """

    __slots__ = ("frames", "seconds")
    seconds: float | None
    frames: int | None

    def __new__(cls, named: str | float) -> Moment:
        """`named`: seconds, `1:30`, `1:02:03.5`, or a frame as `250f`."""
        text = named.strip() if isinstance(named, str) else _written(named) if _is_number(named) else str(named)
        counted, timed = _FRAMES.fullmatch(text), _TIME.fullmatch(text)
        number = not isinstance(named, str) and _is_number(named) and 0 <= named < math.inf
        if not (counted or timed or number):
            raise ValueError(f"'{text}' is neither a time such as 90, 1:30 or 1:02:03.5, nor a frame such as 250f")
        made = super().__new__(cls, text)
        made.frames = int(counted["frames"]) if counted else None
        made.seconds = float(named) if number else _seconds(timed) if timed else None
        return made

    def reached(self, index: int, time_s: float) -> bool:
        """Whether the frame `index`, at `time_s`, lies at this moment or behind it."""
        if self.frames is not None:
            return index >= self.frames
        return time_s >= (self.seconds or 0.0) - ROUNDING_S

    def before(self, other: Moment) -> bool:
        """Whether it comes before `other`; True as well where one is a time and the other a frame."""
        if self.frames is not None and other.frames is not None:
            return self.frames < other.frames
        return self.seconds is None or other.seconds is None or self.seconds < other.seconds


def _is_number(named: object) -> bool:
    return isinstance(named, int | float) and not isinstance(named, bool)


def _written(number: float) -> str:
    """As a person would write it, so that it is read as the same moment again."""
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _seconds(timed: re.Match[str]) -> float:
    hours, minutes = int(timed["hours"] or 0), int(timed["minutes"] or 0)
    return hours * 3600 + minutes * 60 + float(timed["seconds"])
