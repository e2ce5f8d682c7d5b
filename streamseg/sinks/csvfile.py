"""Tables as CSV (RFC 4180): a row a frame, a time or a source; and a row an object, measured."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from streamseg.contracts import Existing, Shown
from streamseg.errors import InputError, printable
from streamseg.files import writing
from streamseg.frame import Frame, StreamInfo
from streamseg.measure import Totals, mean_intensity, measure_shape, object_counts
from streamseg.moment import ROUNDING_S
from streamseg.regions import things
from streamseg.segmentation import Classes
from streamseg.sinks.kind import OutputKind, suffix_of
from streamseg.sinks.linefile import LineFile
from streamseg.sinks.names import literal
from streamseg.sinks.query import seconds, split_query, without_query

_NAMED = ("file", "page")
Row = Sequence[object]


class _Table:
    """A file of rows under one line of names; where those change, it is finished and a further one begun."""

    def __init__(self, path: Path, existing: Existing) -> None:
        self._path, self._file = path, LineFile(path, replace=existing == "replace")

    def write(self, columns: list[str], rows: Sequence[Row]) -> None:
        """Adds rows; OutputError where they cannot be written."""
        with writing(self._path):
            self._file.write(b"".join(map(_line, rows)), _line(columns))

    def close(self) -> None:
        """Gives the file its name; OutputError where its end cannot be written."""
        with writing(self._path):
            self._file.close()


class FramesSink:
    """Writes a row a frame; with `every` one for so many seconds of video, with `summary` one for each file.

    Such a row has the number of frames, of each class its mean share and the largest, and of objects the most at once.
    """

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, uri: str, *, existing: Existing = "refuse") -> None:
        name, asked = _asked(uri)
        self._every_s, self._summary = seconds(asked, "every"), "summary" in asked
        self._table = _Table(Path(name), existing)
        self._span: _Span | None = None

    def write(self, shown: Shown) -> None:
        """Adds a row, or counts the frame in.

        Raises:
            OutputError: it cannot be written.
        """
        if self._every_s is None and not self._summary:
            self._table.write(_frame_columns(shown), [_frame_row(shown)])
            return
        if self._span is not None and not self._span.holds(shown, self._every_s):
            self.next_source()
        if self._span is None:
            self._span = _Span(shown, self._every_s)
        self._span.add(shown)

    def close(self) -> None:
        """Adds the last row.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self.next_source()
        finally:
            self._table.close()

    def next_source(self) -> None:
        """Adds the last row of a source.

        Raises:
            OutputError: it cannot be written.
        """
        span, self._span = self._span, None
        if span is not None:
            self._table.write(span.columns(), [span.row()])


class _Span:
    """Frames that become one row."""

    def __init__(self, shown: Shown, every_s: float | None) -> None:
        frame = shown.frame
        self._names = _named(frame)[: 1 if every_s is None else 2]
        self._classes, self._objects = shown.segmentation.classes, shown.segmentation.instances is not None
        self._start_s = frame.time_s if every_s is None else (frame.time_s + ROUNDING_S) // every_s * every_s
        self._end_s, self._frames = frame.time_s, 0
        self._totals = Totals(self._classes)

    def holds(self, shown: Shown, every_s: float | None) -> bool:
        frame, segmentation = shown.frame, shown.segmentation
        same = segmentation.classes.names == self._classes.names and _named(frame)[: len(self._names)] == self._names
        late = every_s is not None and not -ROUNDING_S <= frame.time_s - self._start_s < every_s - ROUNDING_S
        return same and not late and (segmentation.instances is not None) == self._objects

    def add(self, shown: Shown) -> None:
        self._totals.add(shown.segmentation, shown.segmentation.areas())
        self._end_s, self._frames = shown.frame.time_s, self._frames + 1

    def columns(self) -> list[str]:
        shares = [f"{name}_{which}" for name in self._classes.names for which in ("mean_percent", "most_percent")]
        counts = [f"{name}_most_objects" for name in self._classes.names] if self._objects else []
        return [*_NAMED[: len(self._names)], "from_s", "to_s", "frames", *shares, *counts]

    def row(self) -> Row:
        shares = np.stack([self._totals.sum / self._frames, self._totals.most], 1).reshape(-1)
        counts = _in_order(self._totals.objects, self._classes)
        times = (round(self._start_s, 6), round(self._end_s, 6))
        return [*self._names, *times, self._frames, *_percents(shares), *counts]


class ObjectsSink:
    """Writes a row for each object, or each connected part of a class, with what is measured of it."""

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, uri: str, info: StreamInfo, *, existing: Existing = "refuse") -> None:
        self._table = _Table(Path(_objects_file(uri)), existing)
        self._pixel_um = info.pixel_um

    def write(self, shown: Shown) -> None:
        """Adds the rows of a frame.

        Raises:
            OutputError: they cannot be written.
        """
        self._table.write(_object_columns(self._pixel_um), list(_object_rows(shown, self._pixel_um)))

    def next_source(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Gives the file its name.

        Raises:
            OutputError: its end cannot be written.
        """
        self._table.close()


def _frame_columns(shown: Shown) -> list[str]:
    names, found = shown.segmentation.classes.names, shown.segmentation.instances
    counts = [] if found is None else [f"{name}_objects" for name in names]
    return [*_NAMED, "index", "time_s", *(f"{name}_percent" for name in names), *counts]


def _frame_row(shown: Shown) -> Row:
    frame, found = shown.frame, shown.segmentation
    counts = _in_order(object_counts(found), found.classes)
    return [*_named(frame), frame.index, round(frame.time_s, 6), *_percents(found.areas()), *counts]


def _object_columns(pixel_um: float | None) -> list[str]:
    lengths = ["x", "y", "major", "minor"]
    micrometres = [] if pixel_um is None else ["area_um2", *(f"{name}_um" for name in lengths)]
    pixels = ["area_px", *(f"{name}_px" for name in lengths), "angle_degrees", "mean_intensity"]
    return [*_NAMED, "frame", "time_s", "object", "class", "score", "track", *pixels, *micrometres]


def _object_rows(shown: Shown, pixel_um: float | None) -> Iterator[Row]:
    frame, names = shown.frame, shown.segmentation.classes.names
    found = things(shown.segmentation, (frame.height, frame.width))
    image = frame.image if found else None
    for number, region in enumerate(found, 1):
        shape = measure_shape(region.window)
        if shape is None or image is None:  # nothing of it is in the frame
            continue
        lengths = (shape.x, shape.y, shape.major, shape.minor)
        micrometres = () if pixel_um is None else (region.area * pixel_um**2, *(each * pixel_um for each in lengths))
        yield [
            *_named(frame), frame.index, round(frame.time_s, 6), number, names[region.class_id],
            round(region.score, 4), region.track_id if region.track_id >= 0 else "", region.area,
            *(round(each, 2) + 0.0 for each in (*lengths, shape.degrees)),  # -0.0 becomes 0.0
            round(mean_intensity(region.window, image) or 0.0, 2), *map(_significant, micrometres),
        ]  # fmt: skip


def _named(frame: Frame) -> list[object]:
    """The name of the picture or film, and which of several pictures in it."""
    return [printable(frame.file or frame.stream), "" if frame.page is None else frame.page]


def _in_order(counts: Counter[int] | None, classes: Classes) -> list[int]:
    """Of each class; nothing where the model finds no objects."""
    return [] if counts is None else [counts[class_id] for class_id in range(len(classes))]


def _percents(shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    return [round(share * 100, 4) for share in shares.tolist()]


def _significant(value: float) -> float:
    """Seven digits of it, however small: a pixel of an electron microscope has some nanometres."""
    return float(f"{value:.7g}")


def _line(row: Row) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _asked(uri: str) -> tuple[str, dict[str, str]]:
    """The file, and what is asked of it.

    Raises:
        InputError: an option is none, or contradicts another.
    """
    name, asked = split_query(uri, ("every", "summary"))
    seconds(asked, "every")
    if len(asked) > 1:
        raise InputError(f"{uri}: every and summary contradict one another")
    return name, asked


def _objects_file(uri: str) -> str:
    return split_query(uri.removeprefix("objects:"), ())[0]


def _is_objects(uri: str) -> bool:
    """Whether it is called so: `objects.csv`, `film-objects.csv`."""
    stem = Path(without_query(uri)).stem.lower()
    named = stem.startswith("objects") or stem.endswith("objects")
    return uri.startswith("objects:") or (suffix_of(uri) == ".csv" and named)


OBJECTS = OutputKind(
    forms="objects.csv",
    means=_is_objects,
    open=lambda uri, info, controls, existing: ObjectsSink(uri, info, existing=existing),
    names=lambda uri, inputs: literal(_objects_file(uri)),
    joined=True,
)
FRAMES = OutputKind(
    forms="FILE.csv",
    means=lambda uri: suffix_of(uri) == ".csv",
    open=lambda uri, info, controls, existing: FramesSink(uri, existing=existing),
    names=lambda uri, inputs: literal(_asked(uri)[0]),
    joined=True,
)
