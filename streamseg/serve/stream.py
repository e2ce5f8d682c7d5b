"""One stream of a service: a pipeline that is made again, after a wait, whenever it fails."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from streamseg.assembly import assemble
from streamseg.config import RunOptions
from streamseg.contracts import Controls, SegmenterFactory
from streamseg.errors import SourceError, StreamsegError
from streamseg.metrics import Meter, Metrics
from streamseg.pipeline.pipeline import Pipeline
from streamseg.redaction import redact, shown
from streamseg.said import Said
from streamseg.serve.latest_result import Latest
from streamseg.serve.log import STREAM
from streamseg.sinks import messages

_log = logging.getLogger(__name__)
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_USUAL_FPS = 25.0
_SLACK_S = 1.0  # a frame may be this much older than the stall timeout before the stream counts as stalled

State = Literal["opening", "running", "stalled", "waiting", "finished", "stopped"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a stream at one moment."""

    state: State
    ready: bool
    """Whether it shows a fresh frame, or is a file that was shown to its end."""
    error: str
    """Why it last failed, free of secrets; empty once a frame has been shown since."""
    age_s: float | None
    """Of the newest frame shown; None before the first."""
    metrics: Metrics
    """Summed over restarts."""
    events: Mapping[str, int]
    """What the source counted, summed over restarts: `reconnects`, `stalls`, `decode_errors`."""
    restarts: int
    messages: tuple[int, int] = (0, 0)
    """About events: how many wait for their receivers, and how many those will never have."""


class Stream:
    """Runs `options` in a thread of its own until it is stopped, or until a file has been shown whole."""

    def __init__(self, name: str, options: RunOptions, load: Callable[..., SegmenterFactory], said: Said) -> None:
        self.name, self.options, self.latest = name, options, Latest()
        self.source = shown(options.source_text)
        self._load, self._said, self._meter = load, said, Meter()
        self._stopped = threading.Event()
        self._controls = Controls()
        self._pipeline: Pipeline | None = None
        self._state: State = "opening"
        self._error, self._failed_s = "", 0.0
        self._past: Counter[str] = Counter()
        self._unwritten = self._restarts = 0
        self._messages = 0, 0  # that wait on disk between two runs, and that earlier runs lost
        self._thread = threading.Thread(target=self._live, name=f"streamseg-stream-{name}", daemon=True)

    def start(self) -> None:
        """Begins; once."""
        self._thread.start()

    def stop(self) -> None:
        """Asks it to end soon; from any thread."""
        self._stopped.set()
        self._controls.quit = True

    @property
    def gone(self) -> bool:
        """Whether it was asked to stop: no frame will come any more."""
        return self._stopped.is_set()

    def join(self, timeout_s: float) -> bool:
        """Waits for its end, with every output closed; False when that took longer."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def read(self) -> Reading:
        """A reading, from any thread."""
        pipeline, shown = self._pipeline, self.latest.shown
        age_s = time.monotonic() - shown.frame.arrived_s if shown else None
        fresh = age_s is not None and age_s < self.options.capture.stall_timeout_s + _SLACK_S + _step_s(pipeline)
        state = self._state
        if state == "running" and shown and not fresh:
            state = "stalled"
        return Reading(
            state=state,
            ready=state == "finished" or (state == "running" and fresh),
            error="" if shown and shown.frame.arrived_s > self._failed_s else self._error,
            age_s=age_s,
            metrics=self._meter.read(self._unwritten + (pipeline.metrics().unwritten if pipeline else 0)),
            events=self._past + Counter(pipeline.source.counters if pipeline else {}),
            restarts=self._restarts,
            messages=self._count_messages(pipeline),
        )

    def _live(self) -> None:
        STREAM.set(self.name)
        wait_s = _FIRST_WAIT_S
        while not self._stopped.is_set():
            started_s = time.monotonic()
            error = self._run()
            if error is None:
                break
            if time.monotonic() - started_s > 2 * wait_s:  # it had come back in earnest
                wait_s = _FIRST_WAIT_S
            self._wait(error, wait_s * random.uniform(0.5, 1))
            wait_s = min(_LONGEST_WAIT_S, 2 * wait_s)
        self._state = "stopped" if self._stopped.is_set() else "finished"

    def _run(self) -> Exception | None:
        """One life of the pipeline, and why it ended: None where it was asked to or had no more frames."""
        self._controls = Controls(quit=self._stopped.is_set())
        self._state = "opening"
        alone = msgspec.structs.replace(self.options.capture, wait=False)  # the stream waits by itself
        try:
            self._pipeline = assemble(
                msgspec.structs.replace(self.options, capture=alone),
                self._controls,
                load=self._load,
                more_sinks=[self.latest],
                meter=self._meter,
                said=self._said,
                existing="keep",
            )
            self._state = "running"
            self._pipeline.run()
        except Exception as error:
            return error
        finally:
            self._fold()
        return None

    def _fold(self) -> None:
        """Keeps what the pipeline counted outside the meter."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            self._past += Counter(pipeline.source.counters)
            self._unwritten += pipeline.metrics().unwritten
            self._messages = self._count_messages(pipeline)

    def _count_messages(self, pipeline: Pipeline | None) -> tuple[int, int]:
        if pipeline is None:
            return self._messages
        waiting, lost = messages(pipeline.sinks)
        return waiting, self._messages[1] + lost

    def _wait(self, error: Exception, wait_s: float) -> None:
        known = isinstance(error, StreamsegError)
        self._error = str(error) if known else redact(f"a defect: {type(error).__name__}: {error}")
        self._state, self._failed_s = "waiting", time.monotonic()
        self._restarts += 1
        wait_s = max(wait_s, error.retry_s if isinstance(error, SourceError) else 0.0)
        _log.debug("why", exc_info=None if known else error)
        _log.warning("%s; trying again in %.1f s", self._error, wait_s)
        self._stopped.wait(wait_s)


def _step_s(pipeline: Pipeline | None) -> float:
    """Between two frames; long where only few of the source's are taken."""
    info = pipeline.source.info if pipeline else None
    return (1 / info.fps if info.fps else info.every / _USUAL_FPS) if info else 0.0
