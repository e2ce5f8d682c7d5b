from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.films import film


@pytest.fixture
def dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one is: three films, one of them in a folder below and called as another, one that is broken, and notes."""
    monkeypatch.chdir(tmp_path)
    folder = Path("dash")
    for name in ("2.mp4", "10.mp4", "day 2/2.mp4", ".hidden.mp4"):
        film(folder / name)
    (folder / "broken.mp4").write_bytes(b"junk\n")
    (folder / "notes.txt").write_text("x")
    return folder
