from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from streamseg.sinks.linefile import LineFile
from tests.parts.disks import fill, small_disk


def text(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def written(path: Path, *lines: str, replace: bool = False) -> LineFile:
    file = LineFile(path, replace=replace)
    for line in lines:
        file.write(f"{line}\n".encode())
    return file


def test_nothing_written_leaves_nothing_behind(tmp_path: Path) -> None:
    LineFile(tmp_path / "a").close()
    assert text(tmp_path) == {}


def test_a_file_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", "1", "2")
    assert text(tmp_path) == {"a.jsonl.part": "1\n2\n"}
    file.close()
    file.close()
    assert text(tmp_path) == {"a.jsonl": "1\n2\n"}


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_that_is_there_stays_until_the_new_one_is_whole_or_for_ever(replace: bool, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    file = written(tmp_path / "a", "1", replace=replace)
    assert (tmp_path / "a").read_text() == "old"
    file.close()
    assert text(tmp_path) == ({"a": "1\n"} if replace else {"a": "old", "a-2": "1\n"})


@pytest.mark.parametrize(
    ("left", "kept"),
    [("1\n2\n", "1\n2\n"), ("1\n{torn", "1\n"), ("1\n" + "x" * 100_000, "1\n"), ("{torn", None), ("", None)],
    ids=["whole", "torn", "long", "half a line", "empty"],
)
def test_what_a_killed_run_left_is_kept_up_to_its_last_whole_line(left: str, kept: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.part").write_text(left)
    (tmp_path / "a-recovered-1.jsonl").write_text("from another time")
    written(tmp_path / "a.jsonl", "new").close()
    found = text(tmp_path)
    assert found.pop("a.jsonl") == "new\n"
    assert found.pop("a-recovered-1.jsonl") == "from another time"
    assert found == ({} if kept is None else {"a-recovered-2.jsonl": kept})


def test_a_name_that_leaves_no_room_for_more_is_cut(tmp_path: Path) -> None:
    name = "ä" * 122
    (tmp_path / f"{name}.jsonl.part").write_text("1\n")
    written(tmp_path / f"{name}.jsonl", "2").close()
    assert text(tmp_path) == {f"{name}.jsonl": "2\n", f"{name[:118]}-recovered-1.jsonl": "1\n"}


def test_a_file_that_another_run_is_writing_is_left_to_it(tmp_path: Path) -> None:
    first = written(tmp_path / "a", "1")
    with pytest.raises(OSError, match="another run"):
        written(tmp_path / "a", "2")
    first.write(b"3\n")
    first.close()
    assert text(tmp_path) == {"a": "1\n3\n"}


def test_a_line_that_does_not_fit_is_taken_back_and_the_next_goes_on_behind(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        file = written(disk / "a", "first")
        fill(disk, free_megabytes=0)
        with pytest.raises(OSError, match="No space"):
            file.write(b"x" * 10_000 + b"\n")
        assert (disk / "a.part").read_text() == "first\n"
        (disk / "ballast").unlink()
        file.write(b"last\n")
        file.close()
        assert text(disk) == {"a": "first\nlast\n"}


def test_a_file_whose_last_line_did_not_fit_stays_a_part(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("streamseg").propagate = True
    with small_disk(tmp_path / "disk", 1) as disk:
        file = written(disk / "a", "first")
        fill(disk, free_megabytes=0)
        with pytest.raises(OSError, match="No space"):
            file.write(b"x" * 10_000 + b"\n")
        with caplog.at_level(logging.INFO):
            file.close()
        (disk / "ballast").unlink()
        assert text(disk) == {"a.part": "first\n"}
    assert "a.part holds what was written until now" in caplog.text


def test_a_file_that_is_taken_away_is_told_and_begun_anew(tmp_path: Path) -> None:
    file = written(tmp_path / "a", "1")
    (tmp_path / "a.part").unlink()
    with pytest.raises(FileNotFoundError):
        file.write(b"2\n")
    file.write(b"3\n")
    file.close()
    assert text(tmp_path) == {"a": "3\n"}


def test_a_link_in_the_place_of_the_part_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    (tmp_path / "a.part").symlink_to(precious)
    with pytest.raises(OSError, match="File exists"):
        written(tmp_path / "a", "1")
    assert not os.path.lexists(precious)


def test_a_folder_that_cannot_be_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is no folder"):
        LineFile(tmp_path / "file" / "a")
