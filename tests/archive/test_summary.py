"""The table of an archive."""

from __future__ import annotations

import csv
import io

import pytest

from streamseg.archive.row import ClassSums, Minute, Row
from streamseg.archive.summary import as_csv, as_parquet, minutes, table

ROWS = [
    Row(file="a.mp4", results="a", frames=2, seconds=0.04, classes={"car": ClassSums(1.5, 2.0, 3)}, events=1),
    Row(file="b\n.mp4", results="b", classes={"road": ClassSums(50.0, 60.0)}),
    Row(file="c.mp4", results="c", error="not a video"),
]


def test_there_is_a_row_a_film_and_a_column_for_whatever_a_model_knows() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(table(ROWS)).decode())))
    assert [row["file"] for row in rows] == ["a.mp4", "b\\n.mp4", "c.mp4"]
    assert (rows[0]["car_mean_percent"], rows[0]["car_most_objects"], rows[0]["events"]) == ("1.5", "3", "1")
    assert (rows[0]["road_most_percent"], rows[1]["road_most_percent"]) == ("", "60.0")
    assert "road_most_objects" not in rows[0]
    assert rows[2]["error"] == "not a video" and rows[2]["car_mean_percent"] == ""


def test_there_is_a_row_a_minute_of_each_film() -> None:
    seen = [{"car": ClassSums(1.0, 2.0, 3)}, {"road": ClassSums(5.0, 6.0)}]
    spans = tuple(Minute(from_s=60.0 * n, frames=10, events=n, classes=classes) for n, classes in enumerate(seen))
    columns = minutes([*ROWS, Row(file="d\n.mp4", results="d", minutes=spans)])
    assert columns["file"] == ["d\\n.mp4"] * 2 and columns["from_s"] == [0.0, 60.0] and columns["events"] == [0, 1]
    assert columns["car_most_objects"] == [3, None] and columns["road_mean_percent"] == [None, 5.0]
    assert minutes(ROWS)["frames"] == []
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(io.BytesIO(as_parquet(columns))).to_pydict() == columns


def test_parquet_has_the_same_and_types() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = table(ROWS)
    read = parquet.read_table(io.BytesIO(as_parquet(columns)))
    assert read.to_pydict() == columns
    assert [str(read.schema.field(name).type) for name in ("file", "frames", "seconds", "car_most_objects")] == [
        "string",
        "int64",
        "double",
        "int64",
    ]
    assert parquet.read_table(io.BytesIO(as_parquet(table([])))).num_rows == 0
