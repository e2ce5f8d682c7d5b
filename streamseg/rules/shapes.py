"""Zones, lines and points of the ground as a person writes them: in fractions of the picture, or in pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:  # the options are made of these, and `--help` loads no NumPy for them
    import numpy as np
    from numpy.typing import NDArray

Points: TypeAlias = Sequence[Sequence[float]]
"""x and y of each, in fractions of the picture or in pixels; for the ground x and y in metres behind them."""
_NAME = re.compile(r"[^\W\d][\w-]{0,63}")
_PIXELS = 1e5  # no picture is larger
_SMALLEST = 3  # px, of the longer side: with less a fraction was meant
_FLAT = 1e-4  # of the square of the longest side: three points with so small a triangle are in a line


def is_name(text: str) -> bool:
    """Whether a zone, line or rule may be called so: a letter, then letters, digits, dashes and underscores."""
    return _NAME.fullmatch(text) is not None


class _Shape(tuple[tuple[float, ...], ...]):
    """Rows of numbers, out of lists of numbers or of text such as `0,0.5 1,0.5 1,1`.

    Where no place in the picture is beyond 1 they are fractions of it, else pixels of the frame.

    Raises:
        ValueError: they are no such rows.
    """

    __slots__ = ()
    expected: ClassVar[str]
    as_text: ClassVar[str] = ""
    """What is expected of text, as on a command line."""
    numbers: ClassVar[int] = 2
    least: ClassVar[int]
    most: ClassVar[int]

    def __new__(cls, written: str | Iterable[Iterable[float]]) -> Any:
        try:
            rows = tuple(tuple(float(number) for number in row) for row in _split(written))
        except (TypeError, ValueError):
            rows = ()
        if not cls.least <= len(rows) <= cls.most or any(len(row) != cls.numbers for row in rows):
            wanted = cls.as_text if isinstance(written, str) and cls.as_text else cls.expected
            raise ValueError(f"expected {wanted}")
        places = [number for row in rows for number in row[:2]]
        if not all(0 <= number <= _PIXELS for number in places) or not all(map(math.isfinite, sum(rows, ()))):
            raise ValueError("a point lies outside of the picture, which begins at 0,0 in its upper left corner")
        if max(places) > 1 and any(0 < number < 1 for number in places):
            raise ValueError("fractions of the picture, up to 1, and pixels are mixed")
        if len({row[:2] for row in rows}) < cls.least:
            raise ValueError("two of the points are the same")
        if max(places) > 1 and max(max(places[i::2]) - min(places[i::2]) for i in (0, 1)) < _SMALLEST:
            raise ValueError("a few pixels are no zone or line; fractions of the picture go from 0 to 1")
        return super().__new__(cls, rows)

    def pixels(self, width: int, height: int) -> NDArray[np.float64]:
        """(N, 2) f64: x and y in a frame of that size, from its upper left corner."""
        import numpy as np

        points = np.array([row[:2] for row in self], np.float64)
        return points * (width, height) if points.max() <= 1 else points


class Polygon(_Shape):
    """A zone: 3 to 100 corners, the last joined with the first."""

    __slots__ = ()
    expected, least, most = "3 to 100 corners, such as [[0, 0.5], [1, 0.5], [1, 1]]", 3, 100
    as_text = "3 to 100 corners in quotes, such as '0,0.5 1,0.5 1,1'"


class Line(_Shape):
    """Two ends."""

    __slots__ = ()
    expected, least, most = "two ends, such as [[0.5, 0], [0.5, 1]]", 2, 2
    as_text = "two ends in quotes, such as '0.5,0 0.5,1'"

    @property
    def directions(self) -> tuple[str, str]:
        """The two ways across, as on a map whose north is the picture's upper edge; the first is up or left."""
        (left, top), (right, bottom) = (row[:2] for row in self)
        upright = abs(bottom - top) > abs(right - left)
        return ("westwards", "eastwards") if upright else ("northwards", "southwards")


class Ground(_Shape):
    """Four points of the ground, no three in a line: x and y in the picture, then x and y in metres."""

    __slots__ = ()
    expected = "four points of x, y in the picture and x, y in metres, such as [0.2, 0.9, 0, 0]"
    numbers, least, most = 4, 4, 4

    def __new__(cls, written: str | Iterable[Iterable[float]]) -> Any:
        """As every shape; and the points must go round alike in the picture and on the ground."""
        ground = super().__new__(cls, written)
        turns = [_turns([row[at : at + 2] for row in ground]) for at in (0, 2)]
        if 0 in turns[0] + turns[1]:
            raise ValueError("three of the points are in a line")
        if turns[0] not in (turns[1], [-turn for turn in turns[1]]):
            raise ValueError("the points go round otherwise in the picture than in metres")
        return ground

    def homography(self, width: int, height: int) -> NDArray[np.float64]:
        """(3, 3) f64: from pixels of a frame of that size to metres; the third number is above 0 below the horizon."""
        import cv2
        import numpy as np

        metres = np.array([row[2:] for row in self], np.float32)
        points = np.float32(self.pixels(width, height))
        found = np.asarray(cv2.getPerspectiveTransform(points, metres), np.float64)
        return np.asarray(found * np.sign(found[2] @ (*points[0], 1.0)), np.float64)


def turn(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    """Twice the area of the triangle of three points; its sign says which way round they are."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _turns(points: Sequence[Sequence[float]]) -> list[int]:
    """Of every three of four points: 1 where they turn one way, -1 the other, 0 where they are in a line."""
    size = max(max(abs(a - b) for a, b in zip(one, other, strict=True)) for one in points for other in points)
    found = []
    for left_out in range(len(points)):
        area = turn(*(point for index, point in enumerate(points) if index != left_out))
        found.append(0 if abs(area) <= _FLAT * size**2 else 1 if area > 0 else -1)
    return found


def _split(written: Any) -> Iterable[Iterable[Any]]:
    return [point.split(",") for point in written.split()] if isinstance(written, str) else written
