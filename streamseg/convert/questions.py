"""What only a person can tell of a model: collected, and asked for in one answer."""

from __future__ import annotations

from pathlib import Path

from streamseg.errors import InputError


class Questions:
    """The open questions of one import."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._open: list[tuple[str, str]] = []

    def add(self, unknown: str, flag: str) -> None:
        """`unknown` is what the graph does not show, `flag` how to tell it."""
        self._open.append((unknown, flag))

    def ask(self) -> None:
        """Raises InputError where something is open."""
        if self._open:
            unknown, flags = zip(*self._open, strict=True)
            raise InputError(f"{self._source}: {'; '.join(unknown)}", "; ".join(flags))
