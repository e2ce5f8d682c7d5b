"""Frames and masks brought together: in turn, from the newest mask there is, or from both sides of a gap."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

from streamseg.contracts import MaskPropagator
from streamseg.frame import Frame
from streamseg.handoff import Handoff
from streamseg.pipeline.scheduler import InferenceScheduler
from streamseg.segmentation import Segmentation

T = TypeVar("T")
LetGo = Callable[[str, int], None]
"""Told why, and how many frames will not be shown."""


class Take(Protocol):
    """How an item is waited for."""

    def __call__(self, line: Handoff[T], /) -> T | None:
        """The next item of `line`; None when there is none to come, or the run is to end."""


class Result(NamedTuple):
    """A frame and what was found in it, or carried to it."""

    frame: Frame
    segmentation: Segmentation
    wait_ms: float
    infer_ms: float


class Lane(NamedTuple):
    """What stands before and behind one worker."""

    frames: Handoff[Frame]
    results: Handoff[Result]


def in_order(
    lines: Sequence[Handoff[Result]], batch: int, take: Take, propagator: MaskPropagator | None
) -> Iterator[Result]:
    """What the workers found, in the order in which frames were dealt to them; steadied by `mover`."""
    for line in itertools.cycle(line for line in lines for _ in range(batch)):
        result = take(line)
        if result is None:
            return
        if propagator is not None:
            propagator.observe(result.frame)
            result = result._replace(segmentation=propagator.carry(result.segmentation))
        yield result


def propagate_live(
    frames: Handoff[Frame],
    results: Handoff[Result],
    take: Take,
    propagator: MaskPropagator,
    pace: InferenceScheduler,
    let_go: LetGo,
) -> Iterator[Result]:
    """The newest frame, over and over, with the newest mask there is, carried to it by motion."""
    latest: Result | None = None
    held = False  # a frame that is neither shown nor let go
    try:
        while (frame := take(frames)) is not None:
            held = True
            propagator.observe(frame)
            while (newer := frames.get(0.0)) is not None:  # motion is followed through frames that are not shown
                let_go("newer", 1)
                propagator.observe(frame := newer)
            latest = _newest(results, frame, latest, pace) if latest else take(results)
            if latest is None:
                return
            if latest.frame.index > frame.index:
                let_go("newer", 1)
                held = False
                continue
            waited_ms = (time.monotonic() - frame.arrived_s) * 1e3
            result = Result(frame, propagator.carry(latest.segmentation), waited_ms, latest.infer_ms)
            held = False
            yield result
    finally:
        let_go("stopped", int(held))


def _newest(results: Handoff[Result], frame: Frame, latest: Result, pace: InferenceScheduler) -> Result:
    """The newest result; that of `frame` itself where it comes before the patience ends."""
    until_s = frame.arrived_s + pace.patience_s
    while latest.frame.index < frame.index:
        newer = results.get(max(0.0, until_s - time.monotonic()))
        if newer is None:
            break
        latest = newer
    return latest


def interpolate(
    frames: Handoff[Frame],
    lines: Sequence[Handoff[Result]],
    every: int,
    take: Take,
    propagator: MaskPropagator,
    let_go: LetGo,
) -> Iterator[Result]:
    """Every frame in order: the network's own mask for every `every`-th, what lies between carried from both sides."""
    turns = itertools.cycle(lines)
    before: Result | None = None
    waiting: list[Frame] = []
    try:
        for position in itertools.count():
            frame = take(frames)
            if frame is None:
                break
            waiting.append(frame)
            propagator.observe(frame)
            if position % every:
                continue
            after = take(next(turns))
            if after is None:
                return
            yield from _filled(waiting, before, after, every, propagator)
            before = after
        if before is not None:  # what follows the last mask is carried from that one side
            yield from _filled(waiting, before, None, every, propagator)
    finally:
        let_go("stopped", len(waiting))


def _filled(
    waiting: list[Frame], before: Result | None, after: Result | None, every: int, propagator: MaskPropagator
) -> Iterator[Result]:
    """Empties `waiting`, whose last frame is that of `after`."""
    known = after or before
    assert known is not None
    found = propagator.between(
        list(waiting), before.segmentation if before else None, after.segmentation if after else None
    )
    for segmentation in found:
        frame = waiting.pop(0)
        waited_ms = (time.monotonic() - frame.arrived_s) * 1e3
        yield Result(frame, segmentation, waited_ms, known.infer_ms / every)
