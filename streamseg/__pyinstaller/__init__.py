"""What PyInstaller asks an installed package for, by an entry point: hooks that say what goes beside its modules."""

from __future__ import annotations

from pathlib import Path


def hook_dirs() -> list[str]:
    """The folders in which PyInstaller finds hooks, each named for the module that it is read for."""
    return [str(Path(__file__).parent)]
