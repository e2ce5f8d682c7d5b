from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from streamseg.capture.media import (
    FILMS,
    IMAGES,
    ending_in,
    files_of,
    folder_of,
    images_of,
    is_many,
    name_below,
)
from streamseg.errors import InputError


def made(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_no_ending_is_that_of_a_picture_and_of_a_film() -> None:
    assert not set(IMAGES) & set(FILMS)
    assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in (*IMAGES, *FILMS))


def test_what_was_written_in_one_second_comes_in_the_order_in_which_it_was_written(tmp_path: Path) -> None:
    written = [f"cam-120000{double}.mp4" for double in ("", *(f"-{number}" for number in range(2, 12)))]
    made(tmp_path, *reversed(written), "cam-120001.mp4")
    assert names(files_of(str(tmp_path))) == [*written, "cam-120001.mp4"]


def test_files_come_in_the_order_in_which_people_count(tmp_path: Path) -> None:
    made(tmp_path, "p10.png", "p9.png", "P1.png", "p2b10.png", "p2b9.png")
    assert names(files_of(str(tmp_path))) == ["P1.png", "p2b9.png", "p2b10.png", "p9.png", "p10.png"]


def test_large_and_small_letters_are_one_to_the_order(tmp_path: Path) -> None:
    assert names(files_of(str(made(tmp_path, "B.png", "a.png", "C.png")))) == ["a.png", "B.png", "C.png"]


@pytest.mark.parametrize("name", ["1²3.png", "2³.png", "4⁵6⁷8.png", "①.png", "٣.png"])
def test_signs_that_only_look_like_digits_are_part_of_a_name(name: str, tmp_path: Path) -> None:
    assert names(files_of(str(made(tmp_path, name, "a.png")))) in ([name, "a.png"], ["a.png", name])


def test_what_is_hidden_and_what_is_a_folder_is_no_file_of_a_folder(tmp_path: Path) -> None:
    made(tmp_path, ".DS_Store", "a.png", "in/b.png")
    assert names(files_of(str(tmp_path))) == ["a.png"]


def test_a_pattern_reaches_where_it_says(tmp_path: Path) -> None:
    made(tmp_path, "a.png", "b.jpg", "in/c.png", "in/deep/d.png")
    assert names(files_of(f"{tmp_path}/*.png")) == ["a.png"]
    assert names(files_of(f"{tmp_path}/*/*.png")) == ["c.png"]
    assert names(files_of(f"{tmp_path}/**/*.png")) == ["a.png", "c.png", "d.png"]
    assert names(files_of(f"{tmp_path}/*")) == ["a.png", "b.jpg"]
    assert names(files_of(f"{tmp_path}/[ab].*")) == ["a.png", "b.jpg"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    made(tmp_path, "a[1].png", "a1.png")
    named = f"{tmp_path}/a[1].png"
    assert not is_many(named)
    assert names(files_of(named)) == ["a[1].png"]


def test_many_are_a_folder_and_a_pattern_whether_or_not_something_is_in_it(tmp_path: Path) -> None:
    assert is_many(str(tmp_path))
    assert is_many(f"{tmp_path}/*.png")
    assert not is_many(str(tmp_path / "missing.png"))


@pytest.mark.parametrize(
    ("name", "said"),
    [("missing.png", "no such file"), ("*.png", "no file matches"), ("pipe", "neither a file nor a folder")],
)
def test_what_is_not_there_is_one_line(name: str, said: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / name}: {said}")):
        files_of(str(tmp_path / name))


def test_endings_count_in_whatever_letters() -> None:
    paths = [Path("a.PNG"), Path("b.mp4"), Path("png"), Path(".png")]
    assert ending_in(IMAGES, paths) == [Path("a.PNG")]
    assert ending_in(FILMS, paths) == [Path("b.mp4")]


def test_of_a_folder_the_pictures_are_taken_and_of_a_pattern_all_but_films(tmp_path: Path) -> None:
    made(tmp_path, "a.png", "b.mp4", "notes.txt", "c.JPG")
    assert names(images_of(str(tmp_path))) == ["a.png", "c.JPG"]
    assert names(images_of(f"{tmp_path}/*")) == ["a.png", "c.JPG", "notes.txt"]


def test_one_film_that_is_named_is_not_left_out(tmp_path: Path) -> None:
    assert names(images_of(str(made(tmp_path, "b.mp4") / "b.mp4"))) == ["b.mp4"]


def test_pictures_named_one_by_one_keep_their_order(tmp_path: Path) -> None:
    named = (str(tmp_path / "b.png"), str(tmp_path / "a.png"))
    assert images_of(named) == [tmp_path / "b.png", tmp_path / "a.png"]


def test_films_in_the_place_of_pictures_are_told_from_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    films = made(tmp_path / "films", "a.mp4", "b.mkv")
    with pytest.raises(InputError, match="no pictures in this folder") as empty:
        images_of(str(tmp_path / "empty"))
    assert ".png" in empty.value.hint
    with pytest.raises(InputError, match="holds films, no pictures") as full:
        images_of(str(films))
    assert "a.mp4" in full.value.hint
    with pytest.raises(InputError, match=r"x\.mp4: is a film"):
        images_of(("a.png", "x.mp4"))


def test_the_folder_of_a_source_is_where_its_names_begin(tmp_path: Path) -> None:
    made(tmp_path, "in/a.png", "in/deep/b.png")
    assert folder_of(str(tmp_path / "in")) == tmp_path / "in"
    assert folder_of(str(tmp_path / "in" / "a.png")) == tmp_path / "in"
    assert folder_of(f"{tmp_path}/in/*.png") == tmp_path / "in"
    assert folder_of(f"{tmp_path}/in/**/*.png") == tmp_path / "in"
    assert folder_of(f"{tmp_path}/*/deep/*.png") == tmp_path
    assert folder_of((str(tmp_path / "in/a.png"), str(tmp_path / "in/deep/b.png"))) == tmp_path / "in"


def test_a_name_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    assert name_below(tmp_path / "in" / "deep" / "a.png", tmp_path / "in") == "deep/a.png"
    assert name_below(tmp_path / "other" / "a.png", tmp_path / "in") == "a.png"
