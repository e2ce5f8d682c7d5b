"""Who ends a source that is closed from another thread: its reader, or who closes it where nobody reads."""

from __future__ import annotations

import threading


class Turn:
    """Taken once and for all: by the thread that begins to read a source, or by one that closes it unread."""

    def __init__(self) -> None:
        self._taken = threading.Lock()

    def take(self) -> bool:
        """Whether nobody did so before; from any thread."""
        return self._taken.acquire(blocking=False)
