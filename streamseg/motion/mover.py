"""Carries segmentations from the frames that were looked at to those that were not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from streamseg.frame import Frame
from streamseg.motion.flow import Look
from streamseg.motion.history import History
from streamseg.motion.instances import carry_instances, no_instances
from streamseg.motion.match import Side, match
from streamseg.segmentation import Segmentation


class Motion:
    """Carries segmentations along the motion of one stream; belongs to one thread.

    What is carried keeps the index and time of the frame that was looked at. Its confidence says where the motion
    cannot be trusted: 0 where something came into the picture, 0 everywhere for a frame from more than two seconds
    ago, which is held as it was. Across a cut nothing is known: all is background, or void where there is none, at
    confidence 0.
    """

    def __init__(self) -> None:
        self._history = History()

    def observe(self, frame: Frame) -> None:
        """The next frame of the stream; indices may have gaps, sizes may change."""
        self._history.see(frame)

    def carry(self, segmentation: Segmentation) -> Segmentation:
        """`segmentation` of an observed frame, brought to the newest observed one; that one's own is given back."""
        if segmentation.frame_index == self._history.newest.index:
            return segmentation
        return self._onto(self._history.newest, [segmentation])

    def between(
        self, frames: Sequence[Frame], before: Segmentation | None, after: Segmentation | None
    ) -> Iterator[Segmentation]:
        """One segmentation for each of `frames`, all observed: they follow the frame of `before`, and the last of
        them is that of `after`. Either is None at an end of the stream."""
        ends = [one for one in (before, after) if one is not None]
        for frame in frames:
            now = self._history.find(frame.index)
            own = next((one for one in ends if one.frame_index == frame.index), None)
            yield own or (_doubted(ends[0]) if now is None else self._onto(now, ends))

    def _onto(self, now: Look, found: Sequence[Segmentation]) -> Segmentation:
        """What was `found` on one side of `now`, or on both; frame, time and objects are those of the nearest one."""
        found = sorted(found, key=lambda one: abs(one.frame_index - now.index))
        seen = [(one, then) for one in found if (then := self._history.find(one.frame_index)) is not None]
        if not seen:
            return _doubted(found[0])
        ways = [(one, then, way) for one, then in seen if (way := self._history.way(now, then)) is not None]
        if not ways:
            return _forgotten(found[0])
        labels, confidence = match(now, [Side(then, way, one.labels, one.confidence) for one, then, way in ways])
        nearest, then, way = ways[0]
        objects = nearest.instances
        if objects is not None:
            objects = carry_instances(objects, way, then.frame, now.frame)
        return dataclasses.replace(nearest, labels=labels, confidence=confidence, instances=objects)


def _doubted(segmentation: Segmentation) -> Segmentation:
    """The same, but nothing in it is sure."""
    return dataclasses.replace(segmentation, confidence=np.zeros_like(segmentation.labels))


def _forgotten(segmentation: Segmentation) -> Segmentation:
    """What is known once the picture is another one: nothing."""
    classes, objects = segmentation.classes, segmentation.instances
    ids = (classes.background, classes.ignore_index, 255)
    labels = np.full_like(segmentation.labels, next(each for each in ids if each is not None))
    objects = None if objects is None else no_instances(objects)
    return dataclasses.replace(_doubted(segmentation), labels=labels, instances=objects)
