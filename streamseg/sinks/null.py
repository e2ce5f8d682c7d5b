"""Throws everything away: for measuring, and for runs whose result is taken in Python."""

from __future__ import annotations

from streamseg.contracts import Shown
from streamseg.sinks.kind import OutputKind


class NullSink:
    """Takes the finished picture, so that a measurement includes the drawing."""

    blocking = False
    needs_image = True
    unwritten = 0

    def write(self, shown: Shown) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


NULL = OutputKind(
    forms="null",
    means=lambda uri: uri == "null",
    open=lambda uri, info, controls, existing: NullSink(),
    target=None,
)
