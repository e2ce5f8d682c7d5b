"""Masks of one stream carried on the GPU that its frames are on, where a network there found them."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from streamseg.errors import BackendError
from streamseg.frame import Frame
from streamseg.gpu import GpuLabels
from streamseg.motion.comparison import Comparison
from streamseg.motion.efforts import EFFORTS, PAST_WORTH, Spent, forgotten, held, nearest_first, no_label
from streamseg.motion.flow_history import History
from streamseg.motion.gpu_flow import GpuFlow, GpuLook, GpuSearch, Work, takes
from streamseg.motion.gpu_transfer import GpuReference, Matching
from streamseg.motion.label_transfer import is_soft
from streamseg.options import Effort
from streamseg.segmentation import Segmentation

_log = logging.getLogger(__name__)
T = TypeVar("T")


class GpuCarrier:
    """Does what `FlowPropagator` does, for semantic masks of more than two classes; belongs to one thread.

    The first masks are carried on the CPU as well: where they differ, a line says so, and the CPU carries all.
    """

    def __init__(self, effort: Effort) -> None:
        self.alone = False
        """Whether it has shown that it does what the CPU does, so that this need not follow the frames."""
        self.effort: Effort = effort
        """What is spent on the next mask."""
        self._given_up = self._alike = False
        self._wanted = True
        """Whether the last mask is one that is carried here, or none came yet: else frames are left alone."""
        self._comparison, self._shown_by = Comparison(), -1
        self._work: Work | None = None
        self._searches: dict[Effort, GpuSearch] = {}
        self._history: History[GpuLook, GpuFlow] | None = None
        self._stream = ""

    def observe(self, frame: Frame) -> None:
        """The next frame of the stream."""
        planes = frame.on_gpu if self._wanted else None
        if planes is None or (self._work is not None and planes.gpu != self._work.gpu):
            self._forget()
            return
        self._stream = frame.stream
        self._tried(lambda: self._observed(frame))

    def brought(self, index: int, found: Sequence[Segmentation], spent: Spent, *, back: bool) -> Segmentation | None:
        """What was `found` on one side of a frame or on both, brought to it; None where the CPU has to do that.

        With `back` the way back is asked what is doubtful.
        """
        takes = [self._takes(one) for one in found]  # of each: the last one says what to expect
        now = self._history.find(index) if self._history else None
        if self._history is None or now is None or not all(takes):
            self.alone = False  # the CPU has to follow the frames again for it
            return None
        if not (self.alone or all(self._history.find(one.frame_index) for one in found)):
            return None  # the CPU may have seen what was not on the GPU
        return self._done(lambda: self._brought(now, found, spent, back=back))

    def steadied(self, found: Segmentation, before: Segmentation, spent: Spent, *, glance: bool) -> Segmentation | None:
        """`found` with the votes of what was found before; None where the CPU has to do that.

        `glance`: the way need not be the best.
        """
        takes = self._takes(before), self._takes(found)
        if not self._history or not all(takes):
            self.alone = False
            return None
        now, then = (self._history.find(each.frame_index) for each in (found, before))
        if now is None or then is None or then.index >= now.index:
            return found if self.alone else None
        return self._done(lambda: self._steadied(now, then, found, before, spent, glance=glance))

    def compare(self, before: Segmentation, here: Segmentation, there: Segmentation) -> bool:
        """Whether the GPU has shown by now that it makes the same as the CPU, `here`, of what was found `before`."""
        self._alike = self._comparison(before.labels, here.labels, there.labels)
        self.alone = self._alike
        if self._comparison.unlike is not None:
            self._give_up(f"{self._comparison.unlike:.1%} of their pixels are others than those of the GPU")
        return self._alike

    def _observed(self, frame: Frame) -> None:
        assert frame.on_gpu is not None
        if not all(takes(frame, spent.area) for spent in EFFORTS.values()):
            self._forget()
            return
        if self._work is None:
            self._work = Work(frame.on_gpu.gpu)
            if self._shown_by != self._work.gpu:  # another one has shown nothing yet
                self._alike, self._comparison, self._shown_by = False, Comparison(), self._work.gpu
        with self._work.parts.cuda.current():
            look = self._work.look_at(frame, frame.on_gpu)
            if self._history is None:
                self._searches = {
                    each: GpuSearch(self._work, spent.area, again=spent.again, blocks=spent.blocks)
                    for each, spent in EFFORTS.items()
                }
                self._history = History(self._searches[self.effort])
            self._history.see(look)

    def _brought(self, now: GpuLook, found: Sequence[Segmentation], spent: Spent, *, back: bool) -> Segmentation:
        assert self._work is not None and self._history is not None
        found = nearest_first(found, now.index)
        seen = [(one, then) for one in found if (then := self._history.find(one.frame_index)) is not None]
        if not seen:
            return held(found[0], self._history.begun)
        self._history.search = self._searches[self.effort]
        with self._work.parts.cuda.current():
            sides = [GpuReference(then, self._history.way(now, then), _there(one)) for one, then in seen]
            matching = self._matching(now, sides, [one for one, _ in seen], spent)
            way = sides[0].way
            if back and way is not None and way.moves:
                matching.doubt(way, self._searches["quick"](sides[0].then, now))
            carried = matching.finish()
        led = next((one for (one, _), led in zip(seen, carried.led, strict=True) if led), None)
        if led is None:
            return forgotten(found[0])
        return dataclasses.replace(led, labels=carried.labels, confidence=carried.confidence, on_gpu=carried.there)

    def _steadied(
        self, now: GpuLook, then: GpuLook, found: Segmentation, before: Segmentation, spent: Spent, *, glance: bool
    ) -> Segmentation:
        assert self._work is not None and self._history is not None
        self._history.search = self._searches[self.effort]
        with self._work.parts.cuda.current():
            if glance and self._history.before(now) is then:
                way: GpuFlow | None = GpuSearch(self._work, EFFORTS["quick"].area, coarse=True)(now, then)
            else:
                way = self._history.way(now, then)
            sides = [GpuReference(now, None, _there(found)), GpuReference(then, way, _there(before), PAST_WORTH)]
            carried = self._matching(now, sides, [found, before], spent).finish()
        labels, confidence, there = carried.labels, carried.confidence, carried.there
        if found.confidence is None:
            there = dataclasses.replace(there, confidence=0, came_down=(labels, None))
            return dataclasses.replace(found, labels=labels, on_gpu=there)
        return dataclasses.replace(found, labels=labels, confidence=confidence, on_gpu=there)

    def _matching(
        self, now: GpuLook, sides: Sequence[GpuReference], found: Sequence[Segmentation], spent: Spent
    ) -> Matching:
        assert self._work is not None
        return Matching(self._work, now, sides, spent.reach, soft=is_soft(found), nothing=no_label(found[0].classes))

    def _takes(self, found: Segmentation) -> bool:
        """Whether it is a mask that is carried here: one of two classes is fitted to the picture on the CPU."""
        self._wanted = found.on_gpu is not None and found.instances is None and len(found.classes) > 2
        there = self._work is not None and found.on_gpu is not None and found.on_gpu.gpu == self._work.gpu
        return there and self._wanted

    def _done(self, do: Callable[[], Segmentation]) -> Segmentation | None:
        done = self._tried(do)
        self.alone = self._alike and done is not None
        return done

    def _tried(self, do: Callable[[], T]) -> T | None:
        if self._given_up:
            return None
        try:
            return do()
        except BackendError as error:
            self._give_up(error.message)
            return None

    def _give_up(self, why: str) -> None:
        self._given_up = True
        self._forget()
        _log.warning("%s: masks are carried on the CPU: %s", self._stream or "the GPU", why)

    def _forget(self) -> None:
        self.alone, self._history, self._searches, self._work = False, None, {}, None


def _there(found: Segmentation) -> GpuLabels:
    """Its labels and confidence on the GPU."""
    assert found.on_gpu is not None
    return found.on_gpu.holding(found.labels, found.confidence)
