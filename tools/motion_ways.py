"""Ways to a mask for every frame from masks that come late or seldom, and how they do: for tools/bench_motion.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import thread_time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.evaluation.scores import confusion, scores
from streamseg.evaluation.temporal import Consistency
from streamseg.frame import Frame
from streamseg.masks import plane_mask
from streamseg.motion import Effort, make_propagator
from streamseg.segmentation import Instances, Segmentation

Labels = NDArray[np.uint8]
Step = Callable[[int], Sequence[tuple[int, Labels]]]
"""Takes the index of the next frame; gives indices and labels of those frames that are ready."""

EVERY = 5
_PLANE = 4
"""Pixels of a frame that a value of an object's mask is wide."""


@dataclass(frozen=True)
class Clip:
    """A labelled video, what is found in its frames, and which of that is there when a frame is shown."""

    frames: list[Frame]
    truth: list[Labels]
    found: list[Segmentation]
    key: Callable[[int], int] = int
    """By the index of a frame; below 0 there is nothing yet."""


@dataclass
class Way:
    """One way to labels for every frame, and how it does."""

    step: Step
    n_classes: int
    steadiness: bool = True
    """Whether temporal consistency is measured: that takes longer than the way."""
    matrices: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    """The confusion matrix of each frame."""
    consistency: Consistency = field(init=False)
    times_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.consistency = Consistency(self.n_classes)

    def run(self, clip: Clip, index: int) -> None:
        started_s = thread_time()
        ready = self.step(index)
        self.times_ms.append((thread_time() - started_s) * 1e3)
        for at, labels in ready:
            true = clip.truth[at]
            full = cv2.resize(labels, true.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            self.matrices[at] = confusion(true, np.asarray(full, np.uint8), self.n_classes)
            if self.steadiness:
                self.consistency.add(clip.frames[at].image, labels)

    @property
    def miou(self) -> float:
        """Over the classes, of all frames together."""
        return scores(np.sum(list(self.matrices.values()), 0)).miou

    def object_iou(self, clip: Clip) -> float:
        """Of class 1, mean over the frames that have it and no mask of their own."""
        others = [matrix for at, matrix in self.matrices.items() if clip.key(at) != at]
        overlaps = [(each[1, 1], each[1].sum() + each[:, 1].sum() - each[1, 1]) for each in others]
        return float(np.mean([both / either for both, either in overlaps if either]))

    @property
    def groups_ms(self) -> NDArray[np.float64]:
        """CPU milliseconds a frame of each group of frames, the first few left out."""
        times = self.times_ms[1 : 1 + (len(self.times_ms) - 1) // EVERY * EVERY]
        return np.asarray(np.mean(np.reshape(times, (-1, EVERY)), 1)[2:])


def held(clip: Clip) -> Step:
    def step(index: int) -> list[tuple[int, Labels]]:
        key = clip.key(index)
        return [(index, clip.found[key].labels)] if key >= 0 else []

    return step


def warped(clip: Clip, *, chained: bool, preset: int = cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST) -> Step:
    """The usual way: quick flow at the frame's size, over the whole gap or frame by frame, and the nearest pixel."""
    search = cv2.DISOpticalFlow.create(preset)
    greys = [np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), np.uint8) for frame in clip.frames]

    def flow(index: int, then: int) -> NDArray[np.float32]:
        start = np.zeros((*greys[index].shape, 2), np.float32)
        return np.asarray(search.calc(greys[index], greys[then], start), np.float32)

    def way(index: int, then: int) -> NDArray[np.float32]:
        if not chained or index - then < 2:
            return flow(index, then)
        first = flow(index, index - 1)
        return np.asarray(first + moved(ways[then], first, cv2.INTER_LINEAR), np.float32)

    ways: dict[int, NDArray[np.float32]] = {}

    def step(index: int) -> list[tuple[int, Labels]]:
        key = clip.key(index)
        if key < 0 or key == index:
            return [(index, clip.found[index].labels)] if key == index else []
        ways[key] = way(index, key)
        return [(index, np.asarray(moved(clip.found[key].labels, ways[key], cv2.INTER_NEAREST), np.uint8))]

    return step


def moved(plane: NDArray[Any], flow: NDArray[np.float32], how: int) -> NDArray[Any]:
    height, width = plane.shape[:2]
    far = cv2.resize(flow, (width, height)) * np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    there = x + far[..., 0], y + far[..., 1]
    return np.asarray(cv2.remap(plane, *there, how, borderMode=cv2.BORDER_REPLICATE))


def carried(clip: Clip, effort: Effort = "usual", *, steady: bool) -> Step:
    propagator = make_propagator(steady=steady, effort=effort)

    def step(index: int) -> list[tuple[int, Labels]]:
        propagator.observe(clip.frames[index])
        key = clip.key(index)
        return [(index, propagator.carry(clip.found[key]).labels)] if key >= 0 else []

    return step


def objects_carried(clip: Clip, effort: Effort) -> Step:
    """Class 1 as an object with a box and a mask in it, which is as coarse as those of networks."""
    propagator = make_propagator(effort=effort)
    found = [replace(each, instances=as_object(each.labels)) for each in clip.found]

    def step(index: int) -> list[tuple[int, Labels]]:
        propagator.observe(clip.frames[index])
        key = clip.key(index)
        if key < 0:
            return []
        carried, labels = propagator.carry(found[key]).instances, np.zeros_like(clip.truth[index])
        if carried:
            labels[carried.mask(0, labels.shape)] = 1
        return [(index, labels)]

    return step


def as_object(labels: Labels) -> Instances:
    """Class 1 of (h, w) labels; none where it is not there."""
    height, width = labels.shape
    left, top, wide, high = cv2.boundingRect((labels == 1).view(np.uint8))
    n = int(wide > 1 and high > 1)
    box = np.array([left, top, left + wide, top + high], np.float32)
    small = cv2.resize(
        (labels == 1).astype(np.float32), (width // _PLANE, height // _PLANE), interpolation=cv2.INTER_AREA
    )
    mask = plane_mask(
        box, np.array([0, 0, width, height], np.float32), np.asarray(small, np.float32), 0.5, cropped=True
    )
    return Instances(
        np.ones(n, np.int32), np.ones(n, np.float32), np.tile(box, (n, 1)), (mask,) * n, np.full(n, -1, np.int32)
    )


def from_both_sides(clip: Clip, effort: Effort) -> Step:
    """As in a file: nothing until there is a mask, then all frames up to its own."""
    propagator, waiting = make_propagator(effort=effort), list[Frame]()

    def step(index: int) -> list[tuple[int, Labels]]:
        propagator.observe(clip.frames[index])
        waiting.append(clip.frames[index])
        found, last = clip.key(index) == index, index + 1 == len(clip.frames)
        if not found and not last:
            return []
        start = waiting[0].index
        before = clip.found[start - 1] if start else None
        filled = propagator.between(list(waiting), before, clip.found[index] if found else None)
        done = [(start + i, one.labels) for i, one in enumerate(filled)]
        waiting.clear()
        return done

    return step
