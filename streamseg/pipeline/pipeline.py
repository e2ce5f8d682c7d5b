"""The walk of a frame through the threads: capture, infer, then render and show in the caller's own thread.

    capture --+--> lane 0: infer --+--> caller: render, window --+--> sink 0
              +--> lane 1: infer --+                             +--> sink 1

A live source has one lane, and every hand-off in it keeps only the newest frame: a slow model costs frames, never
delay. A file has as many lanes as it has workers; frames are dealt to them in turn and collected in the same turn, so
every frame comes out, in order, with no sorting and no more memory than the hand-offs hold.

Where masks are carried by motion, every frame also goes straight to the caller, which shows it with the newest mask,
or in a file with those on both sides, carried to it; the lanes then see only some frames (`synchronise`).
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from streamseg.contracts import Controls, Cover, Evaluator, MaskPropagator, Renderer, Segmenter, Shown, Sink, Source
from streamseg.ending import wait_at_exit
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.handoff import Handoff
from streamseg.hostsettings import opencv_one_thread, opencv_silent
from streamseg.metrics import Meter, Metrics
from streamseg.pipeline.drawing import Drawing
from streamseg.pipeline.reading import SourceReader, anybody_looks
from streamseg.pipeline.scheduler import InferenceScheduler
from streamseg.pipeline.synchronise import Lane, Result, Seen, in_order, interpolate, propagate_live
from streamseg.pipeline.threads import close_all, join, start, step_behind

T = TypeVar("T")

_LOOK_UP_S = 0.1  # how often a waiting caller checks whether it was asked to quit
_GRACE_S = 1.5  # for threads to end and outputs to close once it was
_FILE_DEPTH, _LIVE_SINK_DEPTH = 4, 8
_LIVE_SEEN = 8  # frames through which motion is followed at once, where showing them fell behind


class Pipeline:
    """Segments one stream; iterate over it for what it shows, or `run()` it to its end.

    Args:
        source: where frames come from; closed at the end.
        make_segmenter: called once in the thread of each worker.
        evaluate: what zones and rules say of each frame that is shown; None where there are none.
        cover: hides what must not be seen, before anything is drawn or written.
        render: draws the picture; None shows each frame as it is.
        sinks: where the result goes; closed at the end.
        workers: segmenters at work side by side; more than one only for a source that is not live.
        batch: frames given to a segmenter in one call; 1 for a live source.
        make_propagator: what carries masks to other frames and steadies them; without one each frame has its own mask.
        pace: how often the network runs; by default it looks at every frame that is shown.
        controls: `controls.quit = True` ends the run, from any thread or signal handler.
        meter: counts on from an earlier run of the same stream.
        name: of the stream, instead of the source's own.

    Raises (while iterating): the first error of any thread, InputError for a file without frames, after all is closed.
    """

    def __init__(
        self,
        source: Source,
        make_segmenter: Callable[[], Segmenter],
        *,
        evaluate: Evaluator | None = None,
        cover: Cover | None = None,
        render: Renderer | None = None,
        sinks: Sequence[Sink] = (),
        workers: int = 1,
        batch: int = 1,
        make_propagator: Callable[[], MaskPropagator] | None = None,
        pace: InferenceScheduler | None = None,
        controls: Controls | None = None,
        meter: Meter | None = None,
        name: str = "",
    ) -> None:
        live = source.info.live
        self.pace = pace or InferenceScheduler("quality", source.info)
        self.workers = 1 if live else workers
        depth = 1 if live else max(_FILE_DEPTH, batch)
        self.source, self.sinks, self._reading = source, sinks, SourceReader(source, anybody_looks(sinks), name)
        self.controls = controls or Controls()
        self._make_segmenter, self._make_propagator = make_segmenter, make_propagator
        self._sinks = [sink for sink in sinks if not sink.blocking]
        shown = _LIVE_SINK_DEPTH if live else _FILE_DEPTH
        self._blocking = [
            (sink, Handoff[Shown](shown, lossless=not live, merge=Shown.followed_by)) for sink in sinks if sink.blocking
        ]
        self._idle = {line: sink for sink, line in self._blocking}
        """Whose threads have not begun: if they never do, they are closed with the others."""
        self._lanes = [
            Lane(Handoff[Frame](depth, lossless=not live), Handoff[Result](depth, lossless=not live))
            for _ in range(self.workers)
        ]
        carries = make_propagator is not None and self.pace.carries and (live or self.pace.every > 1)
        ahead = _LIVE_SEEN if live else self.pace.every * (workers + 1)  # so that every worker has its next frame
        self._all = Handoff[Seen](ahead, lossless=not live) if carries else None
        """Every frame, straight to the caller, where masks are carried; None where each frame brings its own."""
        self._batch = 1 if live or carries else batch  # the caller waits for one mask before it takes more frames
        self._meter = meter or Meter()
        self._draw = Drawing(cover, evaluate, render, self._meter)
        self._last_index: int | None = None  # of the frame shown last
        self._unwritten = 0  # shown, but given up because an output took nothing any more
        self._error: BaseException | None = None
        self._failing = threading.Lock()

    def run(self) -> Metrics:
        """Shows every frame and gives the final reading."""
        for _ in self:
            pass
        return self.metrics()

    def stop(self) -> None:
        """Asks the run to end soon; from any thread or signal handler."""
        self.controls.quit = True

    def close(self) -> None:
        """Closes source and outputs of a pipeline that nobody iterates over."""
        if error := close_all(self.source, *self.sinks):
            raise error

    def metrics(self) -> Metrics:
        """A reading of the counters and latencies, at any time and from any thread."""
        lost = sum(line.dropped + sink.unwritten for sink, line in self._blocking)
        return self._meter.read(self._unwritten + lost, self.pace.explain())

    def __iter__(self) -> Iterator[Shown]:
        self._process = os.getpid()
        with opencv_one_thread, opencv_silent:
            threads, writers, finished = list[threading.Thread](), list[threading.Thread](), False
            try:
                self._start(threads, "capture", self._capture)
                for i, lane in enumerate(self._lanes):
                    self._start(threads, f"infer-{i}", self._infer, lane)
                    wait_at_exit(threads[-1])
                for i, pair in enumerate(self._blocking):
                    self._start(writers, f"sink-{i}", self._write, *pair)
                yield from self._show()
                finished = self._error is None and not self.controls.quit
            finally:
                self._finish(threads, writers, finished)
        first = [each for each in (self._error, self._reading.error) if each][:1]
        self._error = self._reading.error = None  # a traceback leads back here: the whole run would stay with it
        if first:
            raise first.pop()

    def _capture(self) -> None:
        turns = itertools.cycle(lane.frames for lane in self._lanes for _ in range(self._batch))
        next_asked = 0
        for position, frame in enumerate(self._reading):
            self._meter.captured()
            self.pace.arrived(frame)
            if self._all is None:
                taken = self._put(next(turns), frame)
            else:
                asked = position >= next_asked and self.pace.due(frame.arrived_s)
                if asked:
                    next_asked = position + self.pace.every
                    next(turns).put(frame)
                taken = self._put(self._all, Seen(frame, asked))
            if not taken:
                break
        if not (self.source.info.live or self.controls.quit or self._reading.begun):
            raise InputError(f"{self.source.info.name}: no frame in it could be decoded")
        for lane in self._lanes:
            lane.frames.close()
        if self._all is not None:
            self._all.close()

    def _infer(self, lane: Lane) -> None:
        if self._all is not None and self.source.info.live:
            step_behind()
        segmenter = self._make_segmenter()
        try:
            while frames := list(itertools.islice(iter(lane.frames.get, None), self._batch)):
                if not self._segment(segmenter, frames, lane.results):
                    break
        finally:
            segmenter.close()
        lane.results.close()

    def _segment(self, segmenter: Segmenter, frames: list[Frame], results: Handoff[Result]) -> bool:
        segmenter.scale = self.pace.scale
        started_s = time.monotonic()
        try:
            segmentations = segmenter(frames)
            if len(segmentations) != len(frames):
                raise ValueError(f"a segmenter gave {len(segmentations)} segmentations for {len(frames)} frames")
        except BaseException:
            self._meter.failed(len(frames) if self._all is None else 0)
            raise
        now_s = time.monotonic()
        infer_ms = (now_s - started_s) * 1e3 / len(frames)
        self._meter.inferred(len(frames))
        self.pace.took((now_s - started_s) / len(frames), now_s)
        put = self._put if self._all is None else Handoff.put
        taken = [
            put(results, Result(frame, segmentation, (started_s - frame.arrived_s) * 1e3, infer_ms))
            for frame, segmentation in zip(frames, segmentations, strict=True)
        ]
        return all(taken)

    def _results(self) -> Iterator[Result]:
        propagator = self._make_propagator() if self._make_propagator else None
        lines = [lane.results for lane in self._lanes]
        if self._all is None or propagator is None:
            return in_order(lines, self._batch, self._next, propagator, self.pace)
        if self.source.info.live:
            return propagate_live(self._all, lines[0], self._next, propagator, self.pace, self._meter.dropped)
        return interpolate(self._all, lines, self._next, propagator, self.pace, self._meter.dropped)

    def _show(self) -> Iterator[Shown]:
        for result in self._results():
            shown = self._draw(result, self._gap(result.frame.index), self.metrics)
            for sink in self._sinks:
                sink.write(shown)
            for _, queue in self._blocking:
                self._hand_over(shown, queue)
            yield shown

    def _gap(self, index: int) -> int:
        """How many frames were let go since the one shown before."""
        every = self.source.info.every
        last = self._reading.first_index - every if self._last_index is None else self._last_index
        self._last_index = index
        return max(0, (index - last) // every - 1)  # a source of its own may count back

    def _hand_over(self, shown: Shown, queue: Handoff[Shown]) -> None:
        """Waits for room as long as nobody asked to quit: a reader of the standard output may never come back."""
        while not (taken := queue.put(shown, _LOOK_UP_S)) and not self.controls.quit and self._error is None:
            pass
        self._unwritten += not taken

    def _next(self, line: Handoff[T]) -> T | None:
        while not self.controls.quit:
            item = line.get(_LOOK_UP_S)
            if item is not None or line.ended:
                return item
            if os.getpid() != self._process:
                raise InputError("the stream runs in another process", "open it where it is read")
        return None

    def _write(self, sink: Sink, line: Handoff[Shown]) -> None:
        if self._idle.pop(line, None) is None:
            return
        try:
            while (shown := line.get()) is not None:
                sink.write(shown)
        finally:
            sink.close()

    def _start(self, threads: list[threading.Thread], name: str, stage: Callable[..., None], *args: object) -> None:
        def life() -> None:
            try:
                stage(*args)
            except BaseException as error:
                self._fail(error)

        start(threads, f"streamseg-{name}", life)

    def _fail(self, error: BaseException) -> None:
        with self._failing:
            self._error = self._error or error
        self._abandon()

    def _abandon(self) -> None:
        """Whatever has not been shown by now will not be."""
        waiting = sum(lane.frames.drain() + lane.results.drain() for lane in self._lanes)
        self._meter.dropped("stopped", waiting if self._all is None else self._all.drain())
        for _, queue in self._blocking:
            queue.close()

    def _put(self, line: Handoff[T], item: T) -> bool:
        """Puts an item that stands for a frame of its own, and accounts for what that displaces."""
        before = line.dropped  # only this thread puts into this line
        taken = line.put(item)
        self._meter.dropped("newer", line.dropped - before)
        self._meter.dropped("stopped", int(not taken))
        return taken

    def _finish(self, threads: list[threading.Thread], writers: list[threading.Thread], finished: bool) -> None:
        """Ends every thread and closes every output; patient only where all went well and nobody asks to quit."""
        if os.getpid() != self._process:  # forked off while it ran: source, threads and outputs are the parent's
            return
        if not finished:
            self._abandon()
        first = close_all(self.source)
        for _, queue in self._blocking:
            queue.close()
        join([*writers, *threads], lambda: not finished or self.controls.quit, _GRACE_S)
        self._unwritten += sum(line.drain() for _, line in self._blocking)
        idle = (self._idle.pop(line, None) for _, line in self._blocking)
        last = close_all(*self._sinks, *(sink for sink in idle if sink is not None))
        self._error = self._error or first or last
