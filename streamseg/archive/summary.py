"""The tables of an archive: a row a film, and a row a minute of each, as CSV and as Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from streamseg.archive.row import ClassSums, Row
from streamseg.errors import printable

_ABOUT = ("file", "results", "frames", "failed_frames", "seconds", "took_s", "events", "error")
_FILM = ("file", "results")
Value = str | int | float | None


def table(rows: Iterable[Row]) -> dict[str, list[Value]]:
    """Columns by name, one value a film; None for classes that a film's model did not have."""
    rows = list(rows)
    columns: dict[str, list[Value]] = {name: [_plain(getattr(row, name)) for row in rows] for name in _ABOUT}
    return columns | _of_classes([row.classes for row in rows])


def minutes(rows: Iterable[Row]) -> dict[str, list[Value]]:
    """The same with one value a minute of each film."""
    found = [(row, minute) for row in rows for minute in row.minutes]
    columns: dict[str, list[Value]] = {name: [_plain(getattr(row, name)) for row, _ in found] for name in _FILM}
    columns |= {name: [getattr(minute, name) for _, minute in found] for name in ("from_s", "frames", "events")}
    return columns | _of_classes([minute.classes for _, minute in found])


def _of_classes(seen: Sequence[Mapping[str, ClassSums]]) -> dict[str, list[Value]]:
    columns: dict[str, list[Value]] = {}
    for name in {name: None for classes in seen for name in classes}:
        found = [classes.get(name) for classes in seen]
        columns[f"{name}_mean_percent"] = [None if each is None else each.mean_percent for each in found]
        columns[f"{name}_most_percent"] = [None if each is None else each.most_percent for each in found]
        if any(each is not None and each.most_objects is not None for each in found):
            columns[f"{name}_most_objects"] = [None if each is None else each.most_objects for each in found]
    return columns


def as_csv(columns: dict[str, list[Value]]) -> bytes:
    """As RFC 4180 has it, in UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode("utf-8", "backslashreplace")


def as_parquet(columns: dict[str, list[Value]]) -> bytes:
    """As Parquet, each column of one type.

    Raises:
        ImportError: pyarrow is not installed.
    """
    import pyarrow
    import pyarrow.parquet

    text, whole = {"file", "results", "error"}, {"frames", "failed_frames", "events"}
    kinds = {
        name: pyarrow.string()
        if name in text
        else pyarrow.int64()
        if name in whole or name.endswith("_most_objects")
        else pyarrow.float64()
        for name in columns
    }
    target = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=pyarrow.schema(list(kinds.items()))), target)
    return target.getvalue()


def _plain(value: Value) -> Value:
    return printable(value) if isinstance(value, str) else value
