"""Tables of several films: every film's rows, under one line of names."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from streamseg.commands.films import name_of
from streamseg.config import make_options
from tests.commands.films import OTSU, film, planned
from tests.parts.program import run_program as command
from tests.test_cli import one_line


def rows(path: str) -> list[dict[str, str]]:
    text = Path(path).read_text()
    assert text.count("file,") == 1, "names once"
    return list(csv.DictReader(text.splitlines()))


def test_a_summary_of_several_films_is_one_table_with_a_row_each(dash: Path) -> None:
    film(dash / "9.mp4", frames=7)
    (dash / "broken.mp4").write_bytes(b"no film at all")
    done = command("run", "dash/**/*.mp4", "all.csv?summary", "every.csv", "objects.csv", *OTSU)
    assert done.returncode != 0 and "broken.mp4" in done.stderr, "one that is none is said, and the others are done"
    found = rows("all.csv")
    names = [each["file"] for each in found]
    assert len(names) == len(set(names)) and {"9.mp4", "2.mp4", "day 2/2.mp4"} <= set(names)
    assert [each["frames"] for each in found if each["file"] == "9.mp4"] == ["7"]
    assert len(rows("every.csv")) == sum(int(each["frames"]) for each in found)
    assert {each["file"] for each in rows("objects.csv")} <= set(names)
    assert not list(Path().glob("all*.part"))
    again = command("run", "dash/**/*.mp4", "all.csv?summary", *OTSU)
    assert "all.csv: exists" in one_line(again, 4)
    assert [each["file"] for each in rows("all.csv")] == names


def test_films_of_the_same_name_from_elsewhere_have_rows_of_their_own(dash: Path) -> None:
    done = command("run", "dash/2.mp4", "dash/day 2/2.mp4", "all.csv?summary", *OTSU)
    assert done.returncode == 0, done.stderr
    assert [(each["file"], each["frames"]) for each in rows("all.csv")] == [("2.mp4", "5"), ("2.mp4", "5")]


def test_a_name_that_is_made_of_the_films_is_a_table_each(dash: Path) -> None:
    found = planned(["dash/2.mp4", "dash/day 2/2.mp4"], "all.csv?summary", "null")
    assert [outputs for _, outputs in found] == [("null",), ("null",)]
    assert [outputs for _, outputs in planned("dash/day 2", "all.csv?summary")] == [("all.csv?summary",)]
    assert planned("dash/**/*.mp4", "o/{stem}.csv?summary")[-1][1] == ("o/day 2/2.csv?summary",)


@pytest.mark.parametrize(
    ("source", "name"),
    [("dash", "day 2/2.mp4"), ("dash/day 2", "2.mp4"), (["dash/2.mp4", "dash/day 2/2.mp4"], "2.mp4"),
     (["dash/day 2", "dash/**/*.mp4"], "day 2/2.mp4")],
)  # fmt: skip
def test_films_are_called_as_seen_from_what_was_named(dash: Path, source: object, name: str) -> None:
    assert name_of("dash/day 2/2.mp4", make_options({"source": source})) == name
