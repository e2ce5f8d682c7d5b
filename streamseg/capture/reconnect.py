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
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from streamseg.capture.backoff import LONGEST_WAIT_S, patiently, shortened, waits
from streamseg.contracts import Heartbeat, Source
from streamseg.errors import SourceError, StreamsegError
from streamseg.frame import Frame, StreamInfo
from streamseg.handoff import Handoff
from streamseg.options import SourceOptions
from streamseg.said import AGAIN_S

_log = logging.getLogger(__name__)
_Opened = TypeVar("_Opened")
_LONG_OUTAGE_S = 2.0  # worth a line when it is over
_LATE_S = 1.0  # frames arrive some time after they were taken
_OPEN_TIMEOUT_S = 15.0  # the libraries give up after five to ten


class ReconnectingSource:
    """A source that does not end before it was asked to; indices and times continue across connections.

    Opening happens in the constructor for the first time, so that a wrong URL is an error and not a wait. One that is
    away is waited for there, where the options say so.

    Raises:
        SourceError: the first opening failed.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        options: SourceOptions,
        *,
        longest_wait_s: float = LONGEST_WAIT_S,
        pause: Callable[[threading.Event, float], object] = threading.Event.wait,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._open, self._stall_s, self._end = open_source, options.stall_timeout_s, options.end
        self._pause, self._jitter = pause, jitter
        self._longest_wait_s = longest_wait_s
        self._waits = waits(longest_wait_s)
        self._lost_s: float | None = None
        self._told: tuple[str, float] | None = None
        self._told_s = -1.0
        self._closed = threading.Event()
        self._seam = _TimelineStitcher()
        self._events: Counter[str] = Counter()
        self._past: Counter[str] = Counter()
        self._first: Frame | None = None
        self._connection = patiently(
            self._connect, wait=options.wait, longest_wait_s=longest_wait_s, pause=pause, jitter=jitter
        )
        self.info = self._describe()

    @property
    def counters(self) -> Mapping[str, int]:
        """`reconnects`, `stalls`, and what the connections counted, summed."""
        source = self._connection.source
        return self._past + Counter(source.counters if source else {}) + self._events

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed.is_set() and self._left_s() > 0:
            frame, self._first = self._first or self._next(), None
            if frame is not None:
                self._found()
                yield self._seam.join(frame)
            elif not self._closed.is_set() and self._left_s() > 0:
                self._again()
                self._seam.cut()

    def close(self) -> None:
        """Ends the iteration at once; may be called twice, and from any thread."""
        self._closed.set()
        self._connection.abandon()

    def _connect(self) -> _Connection:
        connection = _Connection(self._open)
        try:
            if not connection.opened.wait(_OPEN_TIMEOUT_S):
                raise SourceError("the source does not answer", "is it switched on and in this network?", away=True)
        except BaseException:
            connection.abandon()
            raise
        if connection.source is None:
            raise connection.error or SourceError("the source cannot be opened")
        return connection

    def _describe(self) -> StreamInfo:
        """What the source says; its size from the first picture where a stream is announced without one."""
        source = self._connection.source
        assert source is not None  # it is open
        self.info = source.info
        try:
            self._first = None if source.info.width else self._next()
        except BaseException:
            self.close()
            raise
        if self._first is None:
            return source.info
        return dataclasses.replace(source.info, width=self._first.width, height=self._first.height)

    def _left_s(self) -> float:
        """Until the end that was asked for by the clock on the wall: a source that gives no frame has no other."""
        started_s = self._seam.started_s
        if self._end is None or self._end.seconds is None or started_s is None:
            return math.inf
        return started_s + self._end.seconds + _LATE_S - time.monotonic()

    def _next(self) -> Frame | None:
        """The next frame; None when the connection or the time has ended, or it was silent for longer than it may."""
        connection, began_s = self._connection, time.monotonic()
        if not connection.opened.is_set():  # opening has its own, longer patience
            connection.opened.wait(max(0.0, min(_OPEN_TIMEOUT_S, self._left_s())))
        patience_s = min(self._stall_s, self._left_s())
        while (frame := connection.frames.get(patience_s)) is None and not connection.frames.ended:
            patience_s = min(connection.patience_s(self._stall_s, began_s), self._left_s())
            if patience_s <= 0:
                break
            if (waits_for := connection.waits_for()) is not None:
                _log.info("%s: answers, but no frame has come of it yet; waiting for %s", self.info.name, waits_for)
        return frame

    def _found(self) -> None:
        """A frame is there: whatever was, is over."""
        if self._lost_s is None:
            return
        away_s = time.monotonic() - self._lost_s
        if away_s > _LONG_OUTAGE_S:
            _log.warning("%s: frames again after %.1f s", self.info.name, away_s)
        self._lost_s = self._told = None
        self._waits = waits(self._longest_wait_s)

    def _again(self) -> None:
        """Gives the connection up, waits, and starts the next."""
        if self._lost_s is None:
            self._lost_s = time.monotonic()
        connection = self._connection
        outage = connection.outage(self._stall_s)
        self._events["stalls"] += outage.stalled
        connection.abandon()
        wait_s = next(self._waits)
        pause_s = max(outage.retry_s, shortened(wait_s, self._jitter))
        self._tell(outage.reason, wait_s, pause_s)
        self._pause(self._closed, min(pause_s, max(0.0, self._left_s())))
        if not self._closed.is_set():
            past = self._past + Counter(connection.source.counters if connection.source else {})
            self._events["reconnects"] += 1
            self._connection, self._past = _Connection(self._open), past  # at once, or a reader would count twice
            if self._closed.is_set():
                self._connection.abandon()

    def _tell(self, reason: str, wait_s: float, pause_s: float) -> None:
        """A line for each reason and each longer wait, then one an hour, and never more than one a second."""
        since_s = (now_s := time.monotonic()) - self._told_s
        if since_s < (AGAIN_S if (reason, wait_s) == self._told else 1.0):
            return
        self._told, self._told_s = (reason, wait_s), now_s
        named = reason if reason.startswith(self.info.name) else f"{self.info.name}: {reason}"
        _log.warning("%s; trying again in %.1f s", named, pause_s)


def opened_apart(open_source: Callable[[], _Opened]) -> _Opened:
    """What `open_source` gives, made in a thread of its own: the thread that waits for it still hears a signal."""
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

    threading.Thread(target=contextvars.copy_context().run, args=(work,), name="streamseg-open", daemon=True).start()
    while not done.wait(0.5):  # a signal that comes just before a wait begins does not end it
        pass
    if failed:
        raise failed[0]
    return opened[0]


class _Outage(NamedTuple):
    """Why a connection gives no frames."""

    reason: str
    """For people."""
    stalled: bool = False
    """Whether it is open, and silent."""
    retry_s: float = 0.0
    """How long to wait at least before the next attempt."""


class _Connection:
    """One opening of the source, read by a thread of its own until it ends or is abandoned."""

    def __init__(self, open_source: Callable[[], Source]) -> None:
        self.frames = Handoff[Frame](2, lossless=True)
        self.opened = threading.Event()
        self.source: Source | None = None
        self.error: Exception | None = None
        self._told = False
        context = contextvars.copy_context()  # so that its log lines belong to its stream
        threading.Thread(target=context.run, args=(self._read, open_source), name="streamseg-read", daemon=True).start()

    def abandon(self) -> None:
        """Takes no more frames; the thread closes its source as soon as it notices, which it may have to be told."""
        self.frames.drain()
        self.opened.set()
        if isinstance(self.source, Heartbeat):
            self.source.close()

    def patience_s(self, stall_s: float, since_s: float) -> float:
        """How long to wait on for a frame: things may arrive of which none comes, but not for ever."""
        source, now_s = self.source, time.monotonic()
        if not isinstance(source, Heartbeat):
            return 0.0
        return min(source.heard_s + stall_s, since_s + max(stall_s, source.patience_s)) - now_s

    def waits_for(self) -> str | None:
        """What a frame comes with, in words, the first time that it is asked."""
        told, self._told = self._told, True
        return self.source.waits_for if isinstance(self.source, Heartbeat) and not told else None

    def outage(self, stall_s: float) -> _Outage:
        """Why there are no frames."""
        source = self.source
        if not self.frames.ended:
            if source is None:
                return _Outage("does not open")
            if isinstance(source, Heartbeat) and time.monotonic() - source.heard_s < stall_s:
                return _Outage(f"no picture came of all that arrived in {source.patience_s:g} s")
            return _Outage(f"silent for {stall_s:g} s", stalled=True)
        if self.error is None:
            return _Outage("disconnected")
        return _Outage(str(self.error), retry_s=self.error.retry_s if isinstance(self.error, SourceError) else 0.0)

    def _read(self, open_source: Callable[[], Source]) -> None:
        try:
            self.source = open_source()
            self.opened.set()
            if self.frames.ended:  # abandoned while it opened
                return
            for frame in self.source:
                if not self.frames.put(frame):
                    break
        except Exception as error:
            ours = isinstance(error, StreamsegError)
            self.error = error if ours else SourceError(f"{type(error).__name__}: {error}")
        finally:
            if self.source is not None:
                self.source.close()
            self.opened.set()
            self.frames.close()


class _TimelineStitcher:
    """Numbers frames through, and sets each connection's times behind those of the one before."""

    def __init__(self) -> None:
        self._index = 0
        self.started_s: float | None = None
        """When the first frame would have arrived if its time were 0."""
        self._shift_s = 0.0
        self._last_s = 0.0
        self._new = False

    def cut(self) -> None:
        """The next frame comes from a new connection."""
        self._new = True

    def join(self, frame: Frame) -> Frame:
        if self.started_s is None:
            self.started_s = frame.arrived_s - frame.time_s
        if self._new:
            self._new = False
            self._shift_s = frame.arrived_s - self.started_s - frame.time_s
        self._last_s = max(self._last_s, frame.time_s + self._shift_s)
        joined = dataclasses.replace(frame, index=self._index, time_s=self._last_s)
        self._index += 1
        return joined
