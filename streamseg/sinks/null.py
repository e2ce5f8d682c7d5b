"""Throws everything away: for measuring, and for runs whose result is taken in Python."""

from __future__ import annotations

from streamseg.contracts import Shown


class NullSink:
    """Takes the finished picture, so that a measurement includes the drawing."""

    blocking = False
    needs_picture = True

    def write(self, shown: Shown) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
