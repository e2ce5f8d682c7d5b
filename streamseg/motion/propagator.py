"""Carries segmentations from the frames that were looked at to those that were not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame
from streamseg.motion.efforts import EFFORTS, PAST_WORTH, Spent, comparable, forgotten, held, nearest_first, unsure
from streamseg.motion.flow import Flow, Search, Thumbnail, look_at
from streamseg.motion.flow_history import FlowHistory
from streamseg.motion.gpu_carrier import GpuCarrier
from streamseg.motion.instances import carry_instances, joined
from streamseg.motion.label_transfer import LooksOf, Reference, disagreement, looks_of, match
from streamseg.motion.refit import Refit
from streamseg.motion.refit_network import Network
from streamseg.motion.refit_objects import RefitObjects
from streamseg.motion.there_and_back import doubted
from streamseg.motion.tracking import Identities
from streamseg.options import Effort
from streamseg.segmentation import Instances, Segmentation

_LOOKS_KEPT = 8  # two sizes of each frame: the one that masks are carried to, and those that they come from


class FlowPropagator:
    """Carries segmentations along the motion of one stream; belongs to one thread.

    What is carried keeps the index and time of the frame that was looked at. Its confidence says where the motion
    cannot be trusted: 0 where something came into the picture, 0 everywhere for a frame from more than two seconds
    ago, which is held as it was. Across a cut, and where the picture gets other proportions, nothing is known: all is
    background, or void where there is none, at confidence 0.
    """

    def __init__(
        self, *, steady: bool = True, effort: Effort = "usual", compare: bool = False, hides: bool = False
    ) -> None:
        network = Network()
        self._refit = None if hides else (Refit(network), RefitObjects(network))
        self._hides = hides
        self._searches = {
            each: Search(spent.area, again=spent.again, blocks=spent.blocks) for each, spent in EFFORTS.items()
        }
        self._glance = Search(EFFORTS["quick"].area, coarse=True)
        self._back = Search(EFFORTS["quick"].area)
        self._history = FlowHistory(self._searches[effort])
        self._looks = lru_cache(_LOOKS_KEPT)(looks_of)
        self._there = None if compare else GpuCarrier(effort)
        self._newest = -1
        self._steady = steady
        self.effort = effort
        self._last: tuple[Segmentation, Segmentation] | None = None
        """What was last found, and the same steadied."""
        self._identities = Identities()
        self._named: tuple[Segmentation, Segmentation] | None = None
        """What was last found, and the same with its objects numbered."""
        self._known: Segmentation | None = None
        """The same with those objects as well that are out of sight."""
        self._compare = compare
        self._compared: tuple[Segmentation, Segmentation] | None = None
        """What was last found, and the same with its disagreement."""

    @property
    def effort(self) -> Effort | None:
        """What is spent on each mask; None: what is carried is carried quickly, and nothing is steadied."""
        return self._effort

    @effort.setter
    def effort(self, effort: Effort | None) -> None:
        self._effort = effort
        self._history.search = self._searches[effort or "quick"]
        self._spent = EFFORTS[effort or "quick"]
        if self._there:
            self._there.effort = effort or "quick"

    def observe(self, frame: Frame) -> None:
        """The next frame of the stream; indices may have gaps, sizes may change."""
        self._newest = frame.index
        if self._there:
            self._there.observe(frame)
        if not (self._there and self._there.alone):
            self._history.see(look_at(frame))

    def carry(self, segmentation: Segmentation) -> Segmentation:
        """`segmentation` of an observed frame, brought to the newest observed one; steadied where it is that one's."""
        segmentation = self._with_disagreement(self._with_names(segmentation))
        if self._steady:
            segmentation = self._steadied(segmentation)
        if segmentation.frame_index == self._newest:
            return segmentation
        return self._brought(self._newest, [segmentation], live=True)

    def _doubted(self, now: Thumbnail, found: Segmentation, carried: Segmentation) -> Segmentation:
        """`carried`, of which that is sure which the way back says as well."""
        then = self._history.find(found.frame_index)
        way = self._history.way(now, then) if then else None
        if then is None or way is None or carried.confidence is None:
            return carried
        confidence = doubted(self._back, now, then, way, found.labels, carried.confidence)
        return dataclasses.replace(carried, confidence=confidence)

    def _with_names(self, found: Segmentation) -> Segmentation:
        """The same, each object with the track id of the one that it continues."""
        if found.instances is None:
            return found
        if self._named is None or self._named[0] is not found:
            known = self._known if self._known and comparable(found, self._known) else None
            before = None if known is None else _objects_at(self._history, known, found.frame_index)
            named, missing = self._identities.follow(found.instances, before, found.frame_time_s)
            self._named = found, dataclasses.replace(found, instances=named)
            everything = named if before is None else joined(named, before.take(missing))
            self._known = dataclasses.replace(found, instances=everything)
        return self._named[1]

    def _with_disagreement(self, found: Segmentation) -> Segmentation:
        """The same, with how far it differs from what was found before, where that was asked for."""
        if not self._compare:
            return found
        if self._compared is None or self._compared[0] is not found:
            share = None if self._compared is None else self._differs(found, self._compared[0])
            self._compared = found, dataclasses.replace(found, disagreement=share)
        return self._compared[1]

    def _differs(self, found: Segmentation, before: Segmentation) -> float | None:
        now, then = (self._history.find(each.frame_index) for each in (found, before))
        if now is None or then is None or then.index >= now.index or not comparable(found, before):
            return None
        way = self._history.way(now, then)
        return (
            None
            if way is None
            else disagreement(now, Reference(then, way, before.labels, None), found.labels, self._looks)
        )

    def _steadied(self, found: Segmentation) -> Segmentation:
        """The same with the votes of the one before: what flickers loses, what moves does not."""
        if self._last is None or self._last[0] is not found:
            steady = found if self._effort is None else self._with_last(found)
            self._last = found, steady
        return self._last[1]

    def _with_last(self, found: Segmentation) -> Segmentation:
        if self._last is None:
            return found
        before = self._last[1]
        if not comparable(found, before):
            return found
        return self._by(
            lambda gpu: gpu.steadied(found, before, self._spent, glance=self._effort == "quick"),
            lambda: self._steadied_here(found, before),
            [found],
        )

    def _steadied_here(self, found: Segmentation, before: Segmentation) -> Segmentation:
        now, then = (self._history.find(each.frame_index) for each in (found, before))
        way = self._way_to_last(now, then) if now and then and then.index < now.index else None
        if now is None or then is None or way is None:
            return found
        own = Reference(now, None, found.labels, found.confidence)
        last = Reference(then, way, before.labels, before.confidence, PAST_WORTH)
        labels, confidence = match(now, [own, last], self._spent.reach, self._looks)
        return dataclasses.replace(found, labels=labels, confidence=None if found.confidence is None else confidence)

    def _way_to_last(self, now: Thumbnail, then: Thumbnail) -> Flow | None:
        """Where every frame has a mask of its own and it is to be quick, the way need not be the best."""
        if self._effort == "quick" and self._history.before(now) is then:
            return self._glance(now, then)
        return self._history.way(now, then)

    def between(
        self, frames: Sequence[Frame], before: Segmentation | None, after: Segmentation | None
    ) -> Iterator[Segmentation]:
        """One segmentation for each of `frames`, all observed: they follow the frame of `before`, and the last of
        them is that of `after`. Either is None at an end of the stream."""
        ends = [self._with_disagreement(self._with_names(one)) for one in (before, after) if one is not None]
        for frame in frames:
            own = next((one for one in ends if one.frame_index == frame.index), None)
            yield own or self._brought(frame.index, ends, live=False)

    def _brought(self, index: int, found: Sequence[Segmentation], *, live: bool) -> Segmentation:
        """What was `found` at the frame of that index."""
        back = live and self._spent.back
        return self._by(
            lambda gpu: gpu.brought(index, found, self._spent, back=back),
            lambda: self._brought_here(index, found, live=live),
            found,
        )

    def _by(
        self,
        gpu: Callable[[GpuCarrier], Segmentation | None],
        cpu: Callable[[], Segmentation],
        found: Sequence[Segmentation],
    ) -> Segmentation:
        """What the GPU makes of it, where that has shown that it makes the same as the CPU."""
        carrier = self._there
        there = gpu(carrier) if carrier else None
        if carrier is None or there is None:
            return cpu()
        if carrier.alone:
            return there
        here = cpu()
        before = next(one for one in found if one.frame_index == here.frame_index)
        return there if carrier.compare(before, here, there) else here

    def _brought_here(self, index: int, found: Sequence[Segmentation], *, live: bool) -> Segmentation:
        now = self._history.find(index)
        if now is None:
            return unsure(found[0])
        carried = self._fitted(now, found, chained=live)
        return self._doubted(now, found[0], carried) if live and self._spent.back else carried

    def _fitted(self, now: Thumbnail, found: Sequence[Segmentation], *, chained: bool) -> Segmentation:
        """What was `found` at `now`, fitted to it where that is worth it."""
        carried = _onto(self._history, now, found, self._spent, self._looks, everything=self._hides)
        if self._refit is None or not self._spent.refit:
            return carried
        key = next(one for one in found if one.frame_index == carried.frame_index)
        of_all, of_objects = self._refit
        if key.instances is None or carried.instances is None:
            known = [key, *(one for one in found if one is not key and comparable(one, key))]
            return of_all(self._history, now, known, carried, chained=chained, passes=self._spent.passes)
        then = self._history.find(key.frame_index)
        if then is None:
            return carried
        fitted = of_objects(then, now, key.instances, carried.instances, self._spent.refit, self._spent.passes)
        return dataclasses.replace(carried, instances=fitted)


def _onto(
    history: FlowHistory,
    now: Thumbnail,
    found: Sequence[Segmentation],
    spent: Spent,
    looks: LooksOf,
    *,
    everything: bool,
) -> Segmentation:
    """What was `found` on one side of `now`, or on both; frame, time and objects are those of the nearest one.

    `everything`: with the objects that the other side alone has.
    """
    found = nearest_first(found, now.index)
    seen = [(one, then) for one in found if (then := history.find(one.frame_index)) is not None]
    if not seen:
        return held(found[0], history.begun)
    ways = [(one, then, way) for one, then in seen if (way := history.way(now, then)) is not None]
    if not ways:
        return forgotten(found[0])
    labels, confidence = match(
        now, [Reference(then, way, one.labels, one.confidence) for one, then, way in ways], spent.reach, looks
    )
    nearest, objects = ways[0][0], None
    for one, then, way in ways if everything else ways[:1]:
        if one.instances is not None:
            more = carry_instances(one.instances, way, then.frame, now.frame, bent=spent.bent)
            objects = more if objects is None else joined(objects, more.take(_others(objects, more)))
    return dataclasses.replace(nearest, labels=labels, confidence=confidence, instances=objects)


def _others(objects: Instances, more: Instances) -> NDArray[np.intp]:
    """Which of `more` are none of `objects`."""
    return np.flatnonzero(~np.isin(more.track_ids, objects.track_ids))


def _objects_at(history: FlowHistory, found: Segmentation, index: int) -> Instances | None:
    """The objects of `found` where they are in the frame of that index; None where no way leads there."""
    now, then = history.find(index), history.find(found.frame_index)
    way = history.way(now, then) if now and then and then.index < now.index else None
    if found.instances is None or now is None or then is None or way is None:
        return None
    return carry_instances(found.instances, way, then.frame, now.frame)
