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


class Seen(NamedTuple):
    """A frame that goes straight to where it is shown."""

    frame: Frame
    asked: bool
    """Whether the network looks at it, too."""


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
    lines: Sequence[Handoff[Result]],
    batch: int,
    take: Take,
    propagator: MaskPropagator | None,
    pace: InferenceScheduler,
) -> Iterator[Result]:
    """What the workers found, in the order in which frames were dealt to them; steadied by `propagator`."""
    for line in itertools.cycle(line for line in lines for _ in range(batch)):
        result = take(line)
        if result is None:
            return
        if propagator is None:
            yield result
            continue
        started_s = time.monotonic()
        propagator.observe(result.frame)
        yield from _carried(propagator, pace, time.monotonic() - started_s, result)


def _carried(propagator: MaskPropagator, pace: InferenceScheduler, seeing_s: float, result: Result) -> Iterator[Result]:
    """`result` with its mask carried to its frame or steadied; tells what that took beside `seeing_s` for the frame."""
    pace.effort.apply(propagator)
    before_s = time.monotonic()
    segmentation = propagator.carry(result.segmentation)
    after_s = time.monotonic()
    own = result.segmentation.frame_index == result.frame.index
    yield result._replace(segmentation=segmentation)
    now_s = time.monotonic()
    pace.showed(now_s, after_s - before_s, seeing_s + now_s - after_s, own=own)


def propagate_live(
    frames: Handoff[Seen],
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
        while (seen := take(frames)) is not None:
            held, started_s, frame = True, time.monotonic(), seen.frame
            propagator.observe(frame)
            while (newer := frames.get(0.0)) is not None:  # motion is followed through frames that are not shown
                let_go("newer", 1)
                propagator.observe(frame := newer.frame)
            seeing_s = time.monotonic() - started_s
            latest = _newest(results, frame, latest, pace) if latest else take(results)
            if latest is None:
                return
            if latest.frame.index > frame.index:
                let_go("newer", 1)
                held = False
                continue
            waited_ms = (time.monotonic() - frame.arrived_s) * 1e3
            for result in _carried(propagator, pace, seeing_s, latest._replace(frame=frame, wait_ms=waited_ms)):
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
    frames: Handoff[Seen],
    lines: Sequence[Handoff[Result]],
    take: Take,
    propagator: MaskPropagator,
    pace: InferenceScheduler,
    let_go: LetGo,
) -> Iterator[Result]:
    """Every frame in order: the network's own mask for those it was asked for, what lies between from both sides."""
    turns = itertools.cycle(lines)
    before: Result | None = None
    waiting: list[Frame] = []
    try:
        while (seen := take(frames)) is not None:
            waiting.append(seen.frame)
            propagator.observe(seen.frame)
            if not seen.asked:
                continue
            after = take(next(turns))
            if after is None:
                return
            yield from _filled(waiting, before, after, propagator, pace)
            before = after
        if before is not None:  # what follows the last mask is carried from that one side
            yield from _filled(waiting, before, None, propagator, pace)
    finally:
        let_go("stopped", len(waiting))


def _filled(
    waiting: list[Frame],
    before: Result | None,
    after: Result | None,
    propagator: MaskPropagator,
    pace: InferenceScheduler,
) -> Iterator[Result]:
    """Empties `waiting`, whose last frame is that of `after`."""
    if before and after and len(waiting) == 1:  # each is looked at: there is nothing between
        for result in _carried(propagator, pace, 0.0, after):
            waiting.clear()
            yield result
        return
    known = after or before
    assert known is not None
    infer_ms = known.infer_ms / max(1, len(waiting))
    pace.effort.apply(propagator)
    found = propagator.between(
        list(waiting), before.segmentation if before else None, after.segmentation if after else None
    )
    before_s = time.monotonic()
    for segmentation in found:
        frame, after_s = waiting.pop(0), time.monotonic()
        yield Result(frame, segmentation, (after_s - frame.arrived_s) * 1e3, infer_ms)
        now_s = time.monotonic()
        pace.showed(now_s, after_s - before_s, now_s - after_s, own=after is not None and frame is after.frame)
        before_s = now_s
