from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from streamseg.errors import InputError
from streamseg.sinks.names import Names, for_source, with_stem

AT = datetime(2026, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("out.png", "out.png"),
        ("out-%06d.png", "out-000007.png"),
        ("%03d.png", "007.png"),
        ("%d.png", "000007.png"),
        ("%Y%m%d-%H%M%S.png", "20260102-030405.png"),
        ("%Y%m%d-%06d.png", "20260102-000007.png"),
        ("{stem}.png", "a/p.png"),
        ("over-{stem}-%02d.png", "a/over-p-07.png"),
        ("100%%.png", "100%.png"),
        ("{x}.png", "{x}.png"),
    ],
)
def test_a_name_is_made_of_number_time_and_source_file(name: str, made: str) -> None:
    names = Names(f"out/5%/{name}")
    path = names.path(number=7, file="a/p.jpg", at=AT)
    assert path == Path("out/5%", made)
    assert names.own().fullmatch(path.name)
    assert names.single == (name in ("out.png", "100%%.png", "{x}.png"))


def test_without_numbers_a_day_is_a_day() -> None:
    assert Names("cam-%d.mp4", numbers=False).path(number=7, at=AT) == Path("cam-02.mp4")


def test_one_of_several_pictures_in_a_file_has_its_number_behind_the_files_name() -> None:
    assert Names("{stem}.png").path(file="stack.tif", page=3) == Path("stack-003.png")


@pytest.mark.parametrize("name", ["%s.png", "%d-%d.png", "%06d-%02d.png", "100%.png", "a%", "%q.png", "%5.png"])
def test_a_field_that_is_none_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match="%06d"):
        Names(name)


def test_the_number_in_a_name_can_be_read_back() -> None:
    match = Names("out-%04d.png").own().fullmatch("out-12345.png")
    assert match is not None
    assert match["number"] == "12345"
    assert not Names("out-%04d.png").own().fullmatch("out-1.png")


@pytest.mark.parametrize("digits", ["19", "999999999", "9" * 5000])
def test_a_number_of_more_digits_than_a_name_has_is_refused(digits: str) -> None:
    with pytest.raises(InputError, match="a name may hold one number"):
        Names(f"out-%{digits}d.png")


def test_an_output_takes_the_name_of_its_source() -> None:
    assert for_source("out/{stem}/{stem}.mp4", "film") == "out/film/film.mp4"
    assert for_source("out/{stem}/{stem}.png", "folder", kept=True) == "out/folder/{stem}.png"
    assert for_source("masks:{stem}", "film") == "masks:film"


@pytest.mark.parametrize(
    ("output", "made"),
    [
        ("{stem}.mp4", "a/b/film.mp4"),
        ("out/over-{stem}.mp4", "out/a/b/over-film.mp4"),
        ("out/{stem}/{stem}.mp4", "out/a/b/film/film.mp4"),
        ("masks:{stem}", "masks:a/b/film"),
        ("events:c/{stem}?class=a/b", "events:c/a/b/film?class=a/b"),
        ("jsonl:{stem}", "jsonl:a/b/film"),
        ("rtsp://host/{stem}", "rtsp://host/a/b/film"),
        ("fixed.mp4", "fixed.mp4"),
    ],
)
def test_folders_that_films_were_found_in_go_before_the_last_part(output: str, made: str) -> None:
    assert for_source(output, "a/b/film") == made


@pytest.mark.parametrize(
    ("output", "made"),
    [
        ("{stem}.mp4", "9%%d x_y=1.mp4"),
        ("masks:{stem}", "masks:9_d x_y=1"),
        ("{stem}/a.mp4", "9_d x_y=1/a.mp4"),
        ("hls:web/{stem}", "hls:web/9_d x_y=1"),
    ],
)
def test_signs_in_the_name_of_a_source_mean_nothing(output: str, made: str) -> None:
    assert for_source(output, "9%d x?y=1", escaped=True) == made


def test_no_percent_of_a_source_gets_into_a_list_of_segments() -> None:
    assert for_source("hls:web/{stem}-a", "100%") == "hls:web/100_-a"


@pytest.mark.parametrize(
    ("output", "named"),
    [
        ("out.mp4", "out-{stem}.mp4"),
        ("a/out-%d.png?keep=7d", "a/out-%d-{stem}.png?keep=7d"),
        ("masks:labels", "masks:labels/{stem}"),
        ("hls:web/a", "hls:web/a/{stem}"),
        ("jsonl:rows", "jsonl:rows-{stem}"),
    ],
)
def test_a_stem_is_put_where_it_serves(output: str, named: str) -> None:
    assert with_stem(output) == named
