"""The service's own file: replaced only where its mode allows it, and never in the way of who asks what it says."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streamseg.errors import OutputError
from streamseg.serve import supervisor
from streamseg.serve.sitefile import SiteFile
from streamseg.serve.stream import Stream
from streamseg.serve.supervisor import Streams

_NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """For root, who may write everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_what_others_put_beside_the_versions_is_no_version_and_stays(tmp_path: Path) -> None:
    file, folder = tmp_path / "site.yaml", tmp_path / "site.yaml.versions"
    folder.mkdir()
    mine = [folder / name for name in ("2026-11-30-site.yaml", "3rd-try.yaml", "999999-mine.yaml")]
    for each in mine:
        each.write_text("mine")
    texts = [f"# {number}\n".encode() for number in range(60)]
    file.write_bytes(texts[0])
    site = SiteFile(file)
    for old, new in pairwise(texts):
        site.replace(old, new)
    site.note(texts[-1])
    raw, kept = site.before()
    assert (raw, kept.name[:7]) == (texts[-2], "000059-")
    site.put_back(raw, kept)
    assert file.read_bytes() == texts[-2]
    assert [each.read_text() for each in mine] == ["mine"] * 3
    assert len(list(folder.iterdir())) == 49 + len(mine)


def test_a_file_that_may_not_be_written_is_not_replaced() -> None:
    with tempfile.TemporaryDirectory() as name:  # the user nobody may enter it, unlike `tmp_path`
        folder, path = Path(name), Path(name) / "site.yaml"
        folder.chmod(0o777)
        path.write_bytes(b"old")
        path.chmod(0o444)
        site = SiteFile(path)
        site.note(b"old")
        with as_nobody(), pytest.raises(OutputError, match="site.yaml: not writable"):
            site.replace(b"old", b"new")
        assert [each.name for each in folder.iterdir()] == ["site.yaml"]
        assert path.read_bytes() == b"old"
        path.chmod(0o666)
        with as_nobody():
            site.replace(b"old", b"new")
        assert path.read_bytes() == b"new"


def test_what_is_asked_of_the_file_while_a_change_stops_streams_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("streams:\n  a: {source: 'test://', model: otsu}\n  b: {source: 'test://', model: otsu}\n")
    streams, told = Streams(file), list[Any]()
    streams.load()
    end = supervisor.end

    def slowly(gone: list[Stream]) -> None:
        told.append(streams.written("b"))
        end(gone)

    with monkeypatch.context() as patched:
        patched.setattr(supervisor, "end", slowly)
        streams.change(lambda text, *_: text.replace("  a: {", "  a: {every: 2, "))
    streams.end()
    assert told == [{"source": "test://", "model": "otsu"}]
