"""What `make` would do, in a copy of what it looks at."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.parts.documents import ROOT

LOOKED_AT = (
    "Makefile",
    "constraints.txt",
    "pyproject.toml",
    "pose-models/pyproject.toml",
    "research-models/pyproject.toml",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout, of a name with odd letters, in which `make demo` has run."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    made = tmp_path / "a b#c$d 'é"
    for name in LOOKED_AT:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, made / name)
    (made / ".venv" / "bin").mkdir(parents=True)
    python(made, "exit 0")
    (made / ".venv" / ".run").write_text(f"{made}\n")
    (made / ".venv" / ".demo").touch()
    return made


def python(folder: Path, does: str) -> None:
    program = folder / ".venv" / "bin" / "python"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)


def said(folder: Path) -> list[str]:
    words = ["make", "--dry-run", "--no-print-directory", "demo"]
    env = {"PATH": os.environ["PATH"]}  # `make test` hands its own variables on
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout.splitlines()


def test_an_environment_that_is_there_is_used(folder: Path) -> None:
    assert said(folder) == [".venv/bin/python tools/demo.py", ".venv/bin/python tools/practice.py"]
    (folder / ".venv" / ".run").write_text("")  # of versions that did not write where they were
    (folder / ".venv" / ".demo").touch()
    assert said(folder)[0] == ".venv/bin/python tools/demo.py"


def test_in_a_checkout_that_was_moved_the_environment_is_made_anew(folder: Path) -> None:
    """It would name the programs and the packages of the old place, where nothing is any more."""
    moved = folder.rename(folder.with_name("moved"))
    assert "python3 -m venv --clear .venv" in said(moved)
    assert any(line.startswith(".venv/bin/pip install") and "--editable ." in line for line in said(moved))


def test_an_environment_of_a_python_that_the_system_no_longer_has_is_made_anew(folder: Path) -> None:
    python(folder, "exit 1")  # as another version does, which looks for packages elsewhere
    assert "python3 -m venv --clear .venv" in said(folder)
    (folder / ".venv" / "bin" / "python").unlink()
    assert "python3 -m venv --clear .venv" in said(folder)
