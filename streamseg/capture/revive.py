"""Makes a live source endless: watches for frames, and opens it again whenever they stop.

A read that blocks inside a C library cannot be interrupted from Python, and closing a source under it is a crash. So
each connection lives in a thread of its own, which is the one reason why a thread is started outside the pipeline: a
connection that falls silent is left to its own time-out, and a new one takes its place at once. For the same reason
whatever may be slow to open is opened apart.
"""

from __future__ import annotations

import contextvars
import dataclasses
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from streamseg.contracts import Source, SourceOptions
from streamseg.errors import SourceError, StreamsegError
from streamseg.frame import Frame, StreamInfo
from streamseg.handoff import Handoff

_log = logging.getLogger(__name__)
_Opened = TypeVar("_Opened")
_FIRST_WAIT_S = 0.5
_EARLY_WAIT_S, _EARLY_S = 1.0, 10.0  # a short outage, such as a restart, ends within two seconds of its cause
_LONGEST_WAIT_S = 30.0
_LONG_OUTAGE_S = 2.0  # worth a line when it is over
_OPEN_TIMEOUT_S = 15.0  # the libraries give up after five to ten


class Revive:
    """A source that never ends by itself; indices and times go on across connections.

    Opening happens in the constructor for the first time, so that a wrong URL is an error and not a wait.

    Raises:
        SourceError: the first opening failed.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        options: SourceOptions,
        *,
        longest_wait_s: float = _LONGEST_WAIT_S,
        pause: Callable[[threading.Event, float], object] = threading.Event.wait,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._open, self._stall_s = open_source, options.stall_timeout_s
        self._pause, self._jitter = pause, jitter
        self._longest_wait_s = longest_wait_s
        self._waits = _waits(longest_wait_s)
        self._lost_s: float | None = None
        self._told: tuple[str, float] | None = None
        self._told_s = -1.0
        self._closed = threading.Event()
        self._seam = _Seam()
        self._events: Counter[str] = Counter()
        self._past: Counter[str] = Counter()
        self._connection = _Connection(open_source)
        try:
            opened = self._connection.opened.wait(_OPEN_TIMEOUT_S)
        except BaseException:
            self.close()
            raise
        if not opened:
            self.close()
            raise SourceError("the source does not answer", "is it switched on and in this network?")
        if self._connection.source is None:
            raise self._connection.error or SourceError("the source cannot be opened")
        self.info: StreamInfo = self._connection.source.info

    @property
    def counters(self) -> Mapping[str, int]:
        """`reconnects`, `stalls`, and what the connections counted, summed."""
        source = self._connection.source
        return self._past + Counter(source.counters if source else {}) + self._events

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed.is_set():
            frame = self._next()
            if frame is not None:
                self._found()
                yield self._seam.join(frame)
            elif not self._closed.is_set():
                self._again()
                self._seam.cut()

    def close(self) -> None:
        """Ends the iteration at once; may be called twice, and from any thread."""
        self._closed.set()
        self._connection.abandon()

    def _next(self) -> Frame | None:
        """The next frame; None when the connection has ended, or was silent for longer than it may."""
        connection = self._connection
        if not connection.opened.is_set():  # opening has its own, longer patience
            connection.opened.wait(_OPEN_TIMEOUT_S)
        return connection.frames.get(self._stall_s)

    def _found(self) -> None:
        """A frame is there: whatever was, is over."""
        if self._lost_s is None:
            return
        away_s = time.monotonic() - self._lost_s
        if away_s > _LONG_OUTAGE_S:
            _log.warning("%s: frames again after %.1f s", self.info.name, away_s)
        self._lost_s = self._told = None
        self._waits = _waits(self._longest_wait_s)

    def _again(self) -> None:
        """Gives the connection up, waits, and starts the next."""
        if self._lost_s is None:
            self._lost_s = time.monotonic()
        connection = self._connection
        reason, least_s = connection.verdict(self._stall_s)
        self._events["stalls"] += "silent for" in reason
        connection.abandon()
        wait_s = next(self._waits)
        pause_s = max(least_s, wait_s * (0.5 + 0.5 * self._jitter()))
        self._tell(reason, wait_s, pause_s)
        self._pause(self._closed, pause_s)
        if not self._closed.is_set():
            self._past += Counter(connection.source.counters if connection.source else {})
            self._events["reconnects"] += 1
            self._connection = _Connection(self._open)
            if self._closed.is_set():
                self._connection.abandon()

    def _tell(self, reason: str, wait_s: float, pause_s: float) -> None:
        """One line for each reason and each longer wait, and never more than one a second."""
        now_s = time.monotonic()
        if (reason, wait_s) == self._told or now_s - self._told_s < 1.0:
            return
        self._told, self._told_s = (reason, wait_s), now_s
        named = reason if reason.startswith(self.info.name) else f"{self.info.name}: {reason}"
        _log.warning("%s; trying again in %.1f s", named, pause_s)


def opened_apart(open_source: Callable[[], _Opened]) -> _Opened:
    """What `open_source` gives, made in a thread of its own: whoever waits for it still hears a signal."""
    opened: list[_Opened] = []
    failed: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            opened.append(open_source())
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()

    threading.Thread(target=work, name="streamseg-open", daemon=True).start()
    done.wait()
    if failed:
        raise failed[0]
    return opened[0]


def _waits(longest_s: float) -> Iterator[float]:
    """Half a second, one second for the first ten, then twice as long each time."""
    wait_s, waited_s = _FIRST_WAIT_S, 0.0
    while True:
        yield wait_s
        waited_s += wait_s
        wait_s = min(longest_s, _EARLY_WAIT_S if waited_s < _EARLY_S else wait_s * 2)


class _Connection:
    """One opening of the source, read by a thread of its own until it ends or is abandoned."""

    def __init__(self, open_source: Callable[[], Source]) -> None:
        self.frames = Handoff[Frame](2, lossless=True)
        self.opened = threading.Event()
        self.source: Source | None = None
        self.error: Exception | None = None
        context = contextvars.copy_context()  # so that its log lines belong to its stream
        threading.Thread(target=context.run, args=(self._read, open_source), name="streamseg-read", daemon=True).start()

    def abandon(self) -> None:
        """Takes no more frames; the thread closes its source as soon as it notices."""
        self.frames.drain()
        self.opened.set()

    def verdict(self, stall_s: float) -> tuple[str, float]:
        """Why there are no frames, and the shortest sensible wait in seconds."""
        if not self.frames.ended:
            return (f"silent for {stall_s:g} s" if self.source else "does not open"), 0.0
        if self.error is None:
            return "disconnected", 0.0
        return str(self.error), self.error.retry_s if isinstance(self.error, SourceError) else 0.0

    def _read(self, open_source: Callable[[], Source]) -> None:
        try:
            self.source = open_source()
            self.opened.set()
            for frame in self.source:
                if not self.frames.put(frame):
                    break
        except StreamsegError as error:
            self.error = error
        except Exception as error:
            self.error = SourceError(f"{type(error).__name__}: {error}")
        finally:
            if self.source is not None:
                self.source.close()
            self.opened.set()
            self.frames.close()


class _Seam:
    """Numbers frames through, and sets each connection's times behind those of the one before."""

    def __init__(self) -> None:
        self._index = 0
        self._started_s: float | None = None
        self._shift_s = 0.0
        self._last_s = 0.0
        self._new = False

    def cut(self) -> None:
        """The next frame comes from a new connection."""
        self._new = True

    def join(self, frame: Frame) -> Frame:
        if self._started_s is None:
            self._started_s = frame.arrived_s - frame.time_s
        if self._new:
            self._new = False
            self._shift_s = frame.arrived_s - self._started_s - frame.time_s
        self._last_s = max(self._last_s, frame.time_s + self._shift_s)
        joined = dataclasses.replace(frame, index=self._index, time_s=self._last_s)
        self._index += 1
        return joined
