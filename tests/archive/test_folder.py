"""What of an archive is finished, and who may write into its folder."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from streamseg.archive.folder import ResultFolder
from streamseg.archive.row import Row
from streamseg.errors import InputError, OutputError
from tests.archive.archives import tree

ASKED = {"model": "otsu", "every": 1, "outputs": ["{stem}.jsonl"]}


def test_results_appear_together_with_their_row(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path / "out")
    row = Row(file="dash/day 2/a.mp4", results="day 2/a", frames=3)
    with folder.held(ASKED):
        with folder.stage() as stage:
            (stage / "day 2").mkdir()
            (stage / "day 2/a.jsonl").write_text("x")
            assert tree(folder.path) == [] and folder.rows() == {}
            folder.keep(stage, row)
        assert not stage.exists()
    assert tree(folder.path) == ["day 2/a.jsonl"]
    assert folder.rows() == {"day 2/a": row}


def test_what_a_film_had_before_it_was_changed_is_gone_and_nothing_else(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path / "out")
    with folder.held(ASKED):
        for stem, names in (("a", "a-0 a-1 a-2"), ("b", "b-0 b-1"), ("a", "a-0 a-1"), ("a", "a-1")):
            with folder.stage() as stage:
                for name in names.split():
                    (stage / name).write_text(name)
                folder.keep(stage, Row(file=f"{stem}.mp4", results=stem))
            (folder.path / "a-3").write_text("a person's own")
        assert tree(folder.path) == ["a-1", "a-3", "b-0", "b-1"]


@pytest.mark.parametrize("names", ['["../mine"]', '["%s/mine"]', '["a-0"', "{}", '["\udcff"]'])
def test_a_list_of_results_that_is_wrong_removes_nothing_elsewhere(tmp_path: Path, names: str) -> None:
    folder, mine = ResultFolder(tmp_path / "out"), tmp_path / "mine"
    mine.write_text("x")
    with folder.held(ASKED):
        known = folder.path / ".batch/files/a.json"
        known.parent.mkdir()
        known.write_bytes(os.fsencode(names.replace("%s", str(tmp_path))))
        with folder.stage() as stage:
            folder.keep(stage, Row(file="a.mp4", results="a"))
    assert mine.exists()


def test_two_batches_do_not_write_into_one_folder(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path)
    with folder.held(ASKED), pytest.raises(OutputError, match="another batch is writing"), folder.held(ASKED):
        pass
    with folder.held(ASKED):
        pass


def test_a_disk_without_locks_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OutputError, match="lock: cannot be held: Function not"), ResultFolder(tmp_path).held(ASKED):
        pass
    monkeypatch.undo()
    (tmp_path / ".batch/lock").unlink()
    (tmp_path / ".batch/lock").mkdir()
    with pytest.raises(OutputError, match="lock: cannot be held: Is a directory"), ResultFolder(tmp_path).held(ASKED):
        pass


def test_other_options_are_refused_and_named(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path)
    with folder.held(ASKED):
        pass
    with pytest.raises(InputError, match="made with model otsu, not person"), folder.held({**ASKED, "model": "person"}):
        pass
    with folder.held(ASKED):
        pass


@pytest.mark.parametrize("written", [b"[1]", b"null", b"5", b"", b"{"])
def test_options_that_are_damaged_are_written_again(written: bytes, tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path / "out")
    with folder.held({"model": "otsu"}):
        pass
    file = tmp_path / "out" / ".batch" / "options.json"
    file.write_bytes(written)
    with folder.held({"model": "otsu"}):
        assert file.read_bytes() == b'{"model":"otsu"}'


def test_a_folder_of_a_persons_own_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("x")
    with pytest.raises(OutputError, match="no batch made them"), ResultFolder(tmp_path).held(ASKED):
        pass
    assert tree(tmp_path) == ["letter.txt"] and not (tmp_path / ".batch").exists()


def test_what_was_cut_off_is_removed_and_a_row_that_is_broken_is_none(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path)
    with folder.held(ASKED):
        left = tmp_path / ".batch/part/host-1-0/a.jsonl"
        left.parent.mkdir(parents=True)
        left.write_text("half")
        folder.keep_row(Row(file="a.mp4", results="a"))
        (tmp_path / ".batch/rows/b.json").write_text('{"file": "b.m')
        (tmp_path / ".batch/rows/c.json").write_bytes(b'{"file": "\xff", "results": "c"}')
        (tmp_path / ".batch/options.json").write_bytes(b'{"model": "\xff"}')
    with folder.held(ASKED):
        assert not left.exists()
        assert list(folder.rows()) == ["a"]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be made"), ResultFolder(tmp_path / "file/out").held(ASKED):
        pass
