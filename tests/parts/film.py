"""Someone who watches a source in a thread, and the log beside it, and writes down when what came."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from streamseg.contracts import Source
from streamseg.frame import Frame

_LONGEST_S = 60.0


class Film:
    """Takes every frame of a source until the end of the block."""

    def __init__(self, source: Source) -> None:
        self.frames: list[Frame] = []
        self._source = source
        self._thread = threading.Thread(target=self._take, daemon=True)

    def first(self, wanted: Callable[[Frame], bool]) -> Frame:
        """The first frame that is wanted; waits for it."""
        looked_at, until_s = 0, time.monotonic() + _LONGEST_S
        while time.monotonic() < until_s:
            while looked_at < len(self.frames):
                if wanted(self.frames[looked_at]):
                    return self.frames[looked_at]
                looked_at += 1
            time.sleep(0.002)
        raise AssertionError(f"no such frame within {_LONGEST_S:g} s; {looked_at} others came")

    def more(self, count: int) -> Frame:
        """Waits for `count` further frames; the first of them."""
        index = len(self.frames)
        self.first(lambda frame: frame.index == index + count - 1)
        return self.frames[index]

    def _take(self) -> None:
        for frame in self._source:
            self.frames.append(frame)

    def __enter__(self) -> Film:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._source.close()
        self._thread.join(_LONGEST_S)


class Told(logging.Handler):
    """Every log line of streamseg and its monotonic time, until the end of the block."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[float, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((time.monotonic(), record.getMessage()))

    def first(self, words: str, after_s: float = 0.0) -> float:
        """When a line with `words` in it came, later than `after_s`; waits for it."""
        until_s = time.monotonic() + _LONGEST_S
        while time.monotonic() < until_s:
            for when_s, line in list(self.lines):
                if words in line and when_s > after_s:
                    return when_s
            time.sleep(0.002)
        raise AssertionError(f"nothing said of '{words}': {self.lines}")

    def __enter__(self) -> Told:
        logging.getLogger("streamseg").addHandler(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        logging.getLogger("streamseg").removeHandler(self)
