"""The output behind every receiver of events: a queue that the stream fills, and a thread that empties it."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

from streamseg.contracts import Controls, Shown
from streamseg.errors import OutputError
from streamseg.redaction import redact
from streamseg.rules.event import ended
from streamseg.sinks.delivery.message import Message
from streamseg.sinks.delivery.queue import Queue, utc
from streamseg.sinks.outage import FIRST_WAIT_S, Outage

_log = logging.getLogger(__name__)
_LONGEST_WAIT_S = 60.0
_LOOK_UP_S = 0.1
_TICK_S = 1.0
_GRACE_S = 10.0  # at the end, for what waits; a receiver that is away is not waited for
_HURRIED_GRACE_S = 1.0  # once the run was asked to end, for all receivers together


class RefusedError(Exception):
    """A receiver will never take this message; says why."""


class Receiver(Protocol):
    """Where messages go. Called by the sender's thread alone, but for `look`."""

    @property
    def needs_image(self) -> bool:
        """Whether `look` looks at `Shown.pixels`."""

    def look(self, shown: Shown) -> None:
        """Takes note of a frame, after its events; quick, and in the thread of the output."""

    def tick(self) -> None:
        """Called before each message and, where none comes, every second; raises OutputError to be tried again."""

    def send(self, message: Message) -> None:
        """Sends a message, and returns once the receiver has it.

        Raises:
            OutputError: it could not be had now; it is tried again.
            RefusedError: the receiver will never take it.
        """

    def close(self) -> None:
        """Lets go of the connection; raises nothing."""


class DeliverySink:
    """Hands events of a stream to `receiver`, each start and end in order, whenever it can be reached.

    A receiver that hangs, fails or is away is tried again for ever, after half a second, then twice as long, up to a
    minute; nothing else waits for it.
    """

    blocking = True
    unwritten = 0

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        queue: Queue,
        controls: Controls,
        *,
        now: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.needs_image = receiver.needs_image
        self._name, self._receiver, self._queue, self._controls = name, receiver, queue, controls
        self._outage = Outage(_log, _LONGEST_WAIT_S, now, jitter)
        self._time_s: float | None = None  # of the newest frame
        self._ending = threading.Event()
        context = contextvars.copy_context()  # so that its log lines belong to the stream
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="streamseg-sender", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Messages that the receiver does not have yet."""
        return self._queue.waiting

    @property
    def lost(self) -> int:
        """Messages that it will never have."""
        return self._queue.lost

    def write(self, shown: Shown) -> None:
        """Takes the events of a frame."""
        self._time_s = shown.frame.time_s
        for event in shown.events:
            self._queue.put(self._controls.clips.named(event))
        self._receiver.look(shown)

    def close(self) -> None:
        """Ends the events that are open, and gives the receiver a moment to take what waits."""
        for event in self._queue.open_events:
            self._queue.put(self._controls.clips.named(ended(event, utc(), "stop", at_s=self._time_s)))
        self._ending.set()
        self._queue.wake()
        began_s = time.monotonic()
        while self._thread.is_alive() and time.monotonic() < self._deadline_s(began_s):
            self._thread.join(_LOOK_UP_S)
        self._queue.close()
        if left := self._queue.left():
            _log.warning("%s: %s", self._name, left)

    def _deadline_s(self, began_s: float) -> float:
        if self._controls.quit:
            return self._controls.quit_s + _HURRIED_GRACE_S
        begun = self._time_s is not None  # else the run could not begin, and what waits is of an earlier one
        return began_s + (_GRACE_S if begun and self._queue.waiting else _HURRIED_GRACE_S)

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._step()
            while self._step():
                pass
        finally:
            with contextlib.suppress(Exception):
                self._receiver.close()

    def _step(self) -> bool:
        """Sends the oldest message; whether there was one, and the receiver has it."""
        waits = self._queue.first(0 if self._ending.is_set() else _TICK_S)
        try:
            self._receiver.tick()
            if waits:
                self._send(*waits)
        except OutputError as error:
            self._pause(str(error), error.retry_s)
        except Exception as error:
            _log.debug("why", exc_info=error)
            self._pause(redact(f"{self._name}: a defect: {type(error).__name__}: {error}"), FIRST_WAIT_S)
        else:
            self._outage.works(f"{self._name}: works again")
        return waits is not None and not self._outage.reason

    def _send(self, number: int, message: Message) -> None:
        try:
            self._receiver.send(message)
        except RefusedError as error:
            self._outage.said.once(_log, logging.WARNING, f"{self._name}: {error}; the message is set aside")
            self._queue.set_aside(number, str(error))
        else:
            self._queue.done(number)

    def _pause(self, reason: str, least_s: float) -> None:
        line = f"{reason}; the stream continues, and messages wait until it works"
        self._ending.wait(self._outage.fails(reason, line, least_s))
