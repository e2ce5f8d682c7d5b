from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from streamseg.errors import InputError, OutputError
from streamseg.files import Folder, free_name, missing, name_new, refuse_existing, whole, write_whole
from tests.parts.disks import small_disk


def put(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    path = tmp_path / "a.b.png"
    assert free_name(path) == path
    path.mkdir()
    (tmp_path / "a.b-2.png").symlink_to("nowhere")
    assert free_name(path) == tmp_path / "a.b-3.png"


@pytest.mark.parametrize("links", [True, False], ids=["", "without hard links"])
def test_a_new_name_never_takes_the_place_of_a_file(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "as on a stick formatted with FAT")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    for number in range(3):
        name_new(put(tmp_path / "part", str(number)), tmp_path / "a")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "0", "a-2": "1", "a-3": "2"}


def test_who_is_quicker_keeps_the_name(tmp_path: Path) -> None:
    """Eight threads at once write ten files each, all under one name."""

    def write(at: int) -> None:
        for _ in range(10):
            write_whole(tmp_path / "a", b"%d" % at, replace=False)

    threads = [threading.Thread(target=write, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == sorted("01234567" * 10)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = put(tmp_path / "a", "old")
    with pytest.raises(ZeroDivisionError), whole(path, overwrite=True) as part:
        put(part, "half of the new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    with whole(path, overwrite=True) as part:
        put(part, "new")
        assert path.read_text() == "old"
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"a": "new"}


def test_a_file_that_exists_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    path = put(tmp_path / "a", "old")
    with pytest.raises(OutputError, match="a: exists .--overwrite replaces it"), whole(path, overwrite=False):
        raise AssertionError("the work has begun")
    with pytest.raises(OutputError, match="is a folder"):
        refuse_existing(tmp_path, overwrite=True)


def test_a_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="a: exists"), whole(tmp_path / "a", overwrite=False) as part:
        put(part, "new")
        put(tmp_path / "a", "another's")
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"a": "another's"}


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        path = put(disk / "a", "old")
        with pytest.raises(OutputError, match="No space"):
            write_whole(path, bytes(2_000_000))
        with pytest.raises(OutputError, match="No space"), whole(path, overwrite=True) as part:
            part.write_bytes(bytes(2_000_000))
        assert {each.name: each.read_text() for each in disk.iterdir()} == {"a": "old"}


def test_what_is_read_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    read = put(tmp_path / "pictures" / "a.png", "given")
    linked = tmp_path / "b.png"
    linked.symlink_to(read)
    for path, what in ((read, read), (linked, read), (read, tmp_path / "pictures"), (linked, tmp_path / "pictures")):
        with pytest.raises(InputError, match="png: would write over what is read"):
            refuse_existing(path, overwrite=True, read=[what])
    refuse_existing(tmp_path / "pictures" / "new.png", overwrite=True, read=[tmp_path / "pictures"])
    refuse_existing(put(tmp_path / "c.png", "old"), overwrite=True, read=[read, tmp_path / "gone"])


def test_a_folder_is_made_once_and_when_it_is_taken_away_waited_for(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    folder.make()
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "a" / "b").rmdir()
    folder.make()
    assert not (tmp_path / "a" / "b").exists()


def test_a_folder_of_two_outputs_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for folder in [Folder(tmp_path / "a"), Folder(tmp_path / "a")]:
        folder.make()
    assert caplog.messages == [f"{tmp_path / 'a'}: folder made"]


def test_a_folder_below_a_file_is_told_at_once(tmp_path: Path) -> None:
    put(tmp_path / "a", "mine")
    with pytest.raises(OutputError, match=r"a/b/c: cannot be made: .*a is no folder"):
        Folder(tmp_path / "a" / "b" / "c")


def test_a_file_that_is_not_there_is_told_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "call.mp4").touch()
    assert missing(tmp_path / "cal.mp4").hint == f"did you mean {tmp_path / 'call.mp4'}?"
    assert str(missing(tmp_path)) == f"{tmp_path}: a folder, not a file"
    assert missing(tmp_path / "quite-other.mp4", "a hint").hint == "a hint"
    assert missing(tmp_path / "nowhere" / "call.mp4").hint == ""
    (tmp_path / "lost.mp4").symlink_to(tmp_path / "nowhere")
    assert missing(tmp_path / "lost.mp4").hint == ""
