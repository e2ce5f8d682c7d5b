"""Which films are listed; over HTTP: test_archive.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamseg.serve import recordings
from streamseg.serve.stream import Stream
from tests.serve.test_events import stream


def films(folder: Path, count: int) -> Stream:
    """A stream with so many films, written to last a second after each other, and what is none."""
    for number in range(count):
        path = folder / f"a-20261128-09300{number}.mp4"
        path.write_bytes(b"film")
        os.utime(path, ns=(0, (1_795_858_200_125 + 1000 * number) * 1_000_000 + 999_999))
    (folder / "a-20261128-093100.mp4").symlink_to(folder / "a-20261128-093000.mp4")
    (folder / "a-20261128-093101.mp4").mkdir()
    (folder / "b.mp4").write_bytes(b"another's")
    return stream(f"{folder}/a-%Y%m%d-%H%M%S.mp4?segment=60")


def test_films_are_those_written_to_between_two_moments_to_the_millisecond(tmp_path: Path) -> None:
    made = films(tmp_path, 3)
    (newest, middle, oldest) = recordings.listed([made], "door", "", "", 100)
    assert [each.changed for each in (oldest, middle, newest)] == [f"2026-11-28T09:30:0{n}.125Z" for n in range(3)]
    assert recordings.listed([made], "", middle.changed, middle.changed, 100) == [middle]
    assert recordings.listed([made], "", middle.changed, "", 1) == [newest]
    assert recordings.listed([made], "", "", "2026-11-28T09:30:01.124Z", 100) == [oldest]
    assert recordings.listed([made], "yard", "", "", 100) == []


def test_rows_are_made_of_those_films_alone_that_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[str] = []

    def quoted(name: str) -> str:
        named.append(name)
        return name

    monkeypatch.setattr(recordings, "quote", quoted)
    (row,) = recordings.listed([films(tmp_path, 5)], "", "", "", 1)
    assert named == [row.file] == ["a-20261128-093004.mp4"]
