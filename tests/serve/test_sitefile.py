"""The service's own file is replaced only where its mode allows it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from streamseg.serve.sitefile import SiteFile

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
