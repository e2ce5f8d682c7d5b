"""One stream of a service: a pipeline that is made again, after a wait, whenever it fails."""

from __future__ import annotations

import contextvars
import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

import msgspec

from streamseg.assembly import assemble, carries, load_model, share_cores
from streamseg.config import RunOptions
from streamseg.contracts import Controls, Segmenter, SegmenterFactory
from streamseg.errors import InputError, SourceError, StreamsegError
from streamseg.frame import Frame
from streamseg.metrics import Meter, Metrics
from streamseg.net.urls import filling_from
from streamseg.pipeline.pipeline import Pipeline
from streamseg.prompts import Prompt
from streamseg.redaction import redact, shown
from streamseg.rules.event import Clips
from streamseg.said import Said
from streamseg.serve.latest_result import Latest
from streamseg.serve.log import STREAM
from streamseg.serve.memory import give_back
from streamseg.sinks import messages
from streamseg.switch import ModelSwitch

_log = logging.getLogger(__name__)
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_USUAL_FPS = 25.0
_SLACK_S = 1.0  # a frame may be this much older than the stall timeout before the stream counts as stalled

State = Literal["opening", "running", "stalled", "waiting", "finished", "stopped"]


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """What is known of a stream at one moment."""

    state: State
    ready: bool
    """Whether it shows a fresh frame, is a file that was shown to its end, or was stopped on request."""
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

    def __init__(
        self,
        name: str,
        options: RunOptions,
        load: Callable[..., SegmenterFactory],
        said: Said,
        variables: Mapping[str, str] = os.environ,
        gpu: int | None = None,
    ) -> None:
        """`variables` are what `${NAME}` in `options` stands for; `gpu` is the one that it was dealt."""
        self.name, self.options, self.latest = name, options, Latest()
        self.variables, self.gpu = variables, gpu
        self.source = shown(options.source_text)
        self.began = datetime.now(timezone.utc)
        self._load, self._said, self._meter = load, said, Meter()
        self.clips = Clips()
        self._stopped = threading.Event()
        self._controls = Controls()
        self._pipeline: Pipeline | None = None
        self._state: State = "opening"
        self._error, self._failed_s = "", 0.0
        self._past: Counter[str] = Counter()
        self._unwritten = self._restarts = 0
        self._messages = 0, 0  # that wait on disk between two runs, and that earlier runs lost
        self._switch, self._changing = ModelSwitch(), threading.Lock()
        self._carries = True  # as the contract of `SegmenterFactory` has it, of the model that runs
        self.asked = False
        self._again = False  # it was ended to begin again with other options
        self._thread = threading.Thread(target=self._live, name=f"streamseg-stream-{name}", daemon=True)

    def start(self) -> None:
        """Begins; once."""
        self._thread.start()

    def become(self, options: RunOptions) -> bool:
        """Runs by `options` from now on where they name no more than another network; False where it must begin again.

        The network is opened and tried in a thread of its own while the one before works on, so no frame is without a
        mask, and no output notices. Where it fails the stream begins again with it, and says why.
        """
        pipeline = self._pipeline
        if pipeline is None or not pipeline.source.info.live or _but_network(options) != _but_network(self.options):
            return False
        self.options = options
        run, name = contextvars.copy_context().run, f"streamseg-network-{self.name}"
        arguments = (self._change_network, pipeline, self._switch, options)
        threading.Thread(target=run, args=arguments, name=name, daemon=True).start()
        return True

    def ask(self, prompt: Prompt) -> None:
        """Has its model look for what `prompt` points at; from any thread.

        Raises:
            InputError: it is a model that is not asked, or none runs.
        """
        if not self.asked:
            raise InputError(f"model {self.options.model} does not look for what is pointed at", "`model: follow` does")
        self._controls.prompts.append(prompt)

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

    def read(self) -> StreamStatus:
        """A reading, from any thread."""
        pipeline, shown = self._pipeline, self.latest.shown
        age_s = time.monotonic() - shown.frame.arrived_s if shown else None
        fresh = age_s is not None and age_s < self.options.capture.stall_timeout_s + _SLACK_S + _step_s(pipeline)
        state = self._state
        if state == "running" and shown and not fresh:
            state = "stalled"
        return StreamStatus(
            state=state,
            ready=state in ("finished", "stopped") or (state == "running" and fresh),
            error="" if shown and shown.frame.arrived_s > self._failed_s else self._error,
            age_s=age_s,
            metrics=self._meter.read(self._unwritten + (pipeline.metrics().unwritten if pipeline else 0)),
            events=self._past + Counter(pipeline.source.counters if pipeline else {}),
            restarts=self._restarts,
            messages=self._count_messages(pipeline),
        )

    def _live(self) -> None:
        STREAM.set(self.name)
        with filling_from(self.variables):
            self._run_again_and_again()

    def _run_again_and_again(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._stopped.is_set():
            started_s = time.monotonic()
            error = self._run()
            if error is None and self._again:
                self._again = False
                continue
            if error is None:
                break
            if time.monotonic() - started_s > 2 * wait_s:  # it had come back in earnest
                wait_s = _FIRST_WAIT_S
            self._wait(error, wait_s * random.uniform(0.5, 1))
            wait_s = min(_LONGEST_WAIT_S, 2 * wait_s)
        self._state = "stopped" if self._stopped.is_set() else "finished"

    def _run(self) -> Exception | None:
        """One life of the pipeline, and why it ended: None where it was asked to or had no more frames."""
        self._controls = Controls(clips=self.clips)
        if self._stopped.is_set():  # nothing is set otherwise: it may be asked to at this moment
            self._controls.quit = True
        self._state, self._switch = "opening", ModelSwitch()
        try:
            self._pipeline = assemble(
                self._placed(self.options),
                self._controls,
                load=self._load_to_be_changed,
                more_sinks=[self.latest],
                meter=self._meter,
                said=self._said,
                existing="keep",
                name=self.name,
            )
            self._state = "running"
            self._pipeline.run()
        except Exception as error:
            return error
        finally:
            self._switch.close()
            self._fold()
            give_back()
        return None

    def _placed(self, options: RunOptions) -> RunOptions:
        """On its GPU, and with a source that does not wait: the stream does, by itself."""
        capture = msgspec.structs.replace(options.capture, wait=False, gpu=self.gpu)
        return msgspec.structs.replace(options, capture=capture)

    def _load_to_be_changed(self, *asked: Any, **more: Any) -> SegmenterFactory:
        recipe = self._load(*asked, **more)
        self._carries, self.asked = carries(recipe), recipe.asked
        return self._switch.recipe(recipe)

    def _change_network(self, pipeline: Pipeline, switch: ModelSwitch, options: RunOptions) -> None:
        """Has a pipeline that runs use the network of `options`, or ends it so that it begins again by them."""
        STREAM.set(self.name)
        with self._changing, filling_from(self.variables):
            if options is not self.options or pipeline is not self._pipeline:
                return  # changed, or begun again, meanwhile
            try:
                recipe = load_model(self._placed(options), pipeline.controls, self._load, said=self._said)
                newest = self.latest.shown
                if newest is None or carries(recipe) != self._carries:
                    raise InputError("it follows the picture's motion otherwise")
                workers = share_cores(options, pipeline.source.info, recipe)
                self.asked = recipe.asked
                switch.change(_tried(workers.make, newest.frame), workers.threads)
                pipeline.pace.another_network()
                _log.info("%s has taken over", options.model)
            except Exception as error:
                _log.warning("%s: %s; the stream begins again", options.model, error)
                self._again = True
                pipeline.stop()
            if pipeline is not self._pipeline:  # it ended before a worker took the network
                switch.close()

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


def _but_network(options: RunOptions) -> RunOptions:
    """All that another network leaves as it is."""
    return msgspec.structs.replace(options, model="", settings={}, backend=None, threads=None)


def _tried(make: Callable[[int], Segmenter], frame: Frame) -> Callable[[int], Segmenter]:
    """`make`, with one look at `frame`: what fails or is slow the first time does so before the segmenter is used."""

    def made(threads: int) -> Segmenter:
        segmenter = make(threads)
        try:
            segmenter([frame])
        except BaseException:
            segmenter.close()
            raise
        return segmenter

    return made


def _step_s(pipeline: Pipeline | None) -> float:
    """Between two frames; long where only few of the source's are taken."""
    info = pipeline.source.info if pipeline else None
    return (1 / info.fps if info.fps else info.every / _USUAL_FPS) if info else 0.0
