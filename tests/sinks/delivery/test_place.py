from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from streamseg.net.urls import read_address
from streamseg.sinks.delivery.journal import Journal
from streamseg.sinks.delivery.place import open_journal
from streamseg.sinks.delivery.queue import Queue
from tests.parts.events import event


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMSEG_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def place(receiver: str = "https://host/hook", stream: str = "cam", asked: str | None = None) -> Journal:
    journal = open_journal("hook", receiver, stream, asked)
    assert journal is not None
    return journal


def test_each_stream_and_receiver_has_its_own_file_which_the_next_run_finds(state: Path) -> None:
    journals = [place(), place("https://host/other"), place(stream="yard")]
    paths = {journal.path for journal in journals}
    assert len(paths) == 3
    assert all(path.parent == state / "messages" for path in paths)
    for journal in journals:
        journal.close()
    again = place()
    assert again.path in paths
    again.close()


def test_what_is_secret_in_an_address_is_in_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "hunter2")
    for url in ("https://host/${HOOK}/a", "https://host/a?token=hunter2", "https://me:hunter2@host/a"):
        address = read_address(url)
        journal = open_journal(address.name, address.bare, "cam", None)
        assert journal is not None
        assert journal.path.name.startswith("https-host-")
        assert "hunter2" not in str(journal.path)
        journal.close()


def test_two_runs_at_the_same_time_have_a_file_each() -> None:
    first, second = place(), place()
    assert first.path != second.path
    first.close()
    second.close()


def test_systemd_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STREAMSEG_STATE")
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/lib:/var/lib/more")
    journal = place()
    assert journal.path.parent == tmp_path / "lib/messages"
    journal.close()


def test_a_file_that_is_asked_for_is_ours_or_refused(tmp_path: Path) -> None:
    journal = place(asked=str(tmp_path / "q"))
    with pytest.raises(OutputError, match="another run has it"):
        place(asked=str(tmp_path / "q"))
    journal.close()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no messages"):
        place(asked=str(tmp_path / "notes.txt"))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_disk_that_cannot_be_written_to_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    assert open_journal("hook", "https://host/hook", "cam", None) is None
    assert open_journal("hook", "https://host/hook", "cam", str(tmp_path / "no/folder/q")) is None
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all(line.startswith("hook: messages wait in memory alone, and are lost with the run: ") for line in lines)


def test_a_damaged_file_is_kept_and_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    queue = Queue("q", place())
    for _ in range(100):
        queue.put(event())
    queue.close()
    (path,) = Path(os.environ["STREAMSEG_STATE"]).rglob("*.queue")
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(os.urandom(64))
    again = Queue("q", place())
    again.put(event())
    assert again.waiting == 1
    again.close()
    assert "damaged, and kept as" in caplog.text
    assert list(path.parent.glob("*.damaged*"))
