"""Log lines of many streams: each belongs to one, none holds a secret, and no failure fills the disk."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import TextIO

from streamseg.redaction import redact

STREAM: ContextVar[str] = ContextVar("stream", default="")
"""Name of the stream that the running thread belongs to."""

_BURST = 5
_LINES_A_SECOND = 0.5


def set_up_logging(*, as_json: bool, debug: bool, to: TextIO | None = None) -> None:
    """Sends the library's log to `to`, by default the standard error."""
    handler = logging.StreamHandler(to or sys.stderr)
    handler.setFormatter(_Json() if as_json else _Text())
    handler.addFilter(Limit())
    for name, level in (("streamseg", logging.INFO), ("aiohttp", logging.WARNING), ("asyncio", logging.WARNING)):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(logging.DEBUG if debug else level)
        log.propagate = False


class Limit(logging.Filter):
    """Marks each line with its stream, and lets through a burst of five, then one in two seconds of each stream.

    What was held back is counted in the next line. Lines of the service itself are few and always pass; those of the
    web server, which any client can cause, are bounded like a stream's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._budget: dict[str, tuple[float, float]] = {}
        self._held: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is written; called under the handler's lock or not, an inexact count does no harm."""
        stream = record.stream = STREAM.get()
        record.held = 0
        if not record.name.startswith("streamseg"):
            _shorten(record)
        elif not stream:
            return True
        now_s = time.monotonic()
        left, seen_s = self._budget.get(stream, (float(_BURST), now_s))
        left = min(float(_BURST), left + (now_s - seen_s) * _LINES_A_SECOND)
        passes = left >= 1
        self._budget[stream] = left - passes, now_s
        if passes:
            record.held = self._held.pop(stream, 0)
        else:
            self._held[stream] = self._held.get(stream, 0) + 1
        return passes


def _shorten(record: logging.LogRecord) -> None:
    """One line of what a library has to say: most of it is about clients that send nonsense."""
    kind, error, _ = record.exc_info or (None, None, None)
    reason = f": {kind.__name__}: {error}" if kind else ""
    record.msg, record.args = f"{record.name}: {' '.join(f'{record.getMessage()}{reason}'.split())[:200]}", ()
    record.exc_info = record.exc_text = None


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stream = getattr(record, "stream", "")
        held = getattr(record, "held", 0)
        more = f" ({held} lines before this one held back)" if held else ""
        return redact(f"streamseg: {stream + ': ' if stream else ''}{super().format(record)}{more}")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "stream": getattr(record, "stream", ""),
            "message": redact(super().format(record)),
        }
        if held := getattr(record, "held", 0):
            row["held_back"] = held
        return json.dumps(row, ensure_ascii=False)
