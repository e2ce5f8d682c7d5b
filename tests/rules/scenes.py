"""Generated scenes with what truly crosses and dwells there, and rules run over masks carried to most frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamseg.capture.scene import SCENE_CLASSES, SceneSource
from streamseg.contracts import Shown
from streamseg.frame import Frame
from streamseg.motion.propagator import FlowPropagator
from streamseg.options import SourceOptions
from streamseg.pipeline.pipeline import Pipeline
from streamseg.pipeline.scheduler import InferenceScheduler
from streamseg.rules.evaluate import Rules
from streamseg.rules.event import Findings
from streamseg.segmentation import Classes, Segmentation

CLASSES = Classes(SCENE_CLASSES, np.zeros((4, 3), np.uint8), background=0)
Mask = NDArray[np.bool_]


def scene(lanes: int, frames: int = 240, seed: int = 0) -> SceneSource:
    return SceneSource(f"test://?frames={frames}&size=320x180&lanes={lanes}&seed={seed}", SourceOptions())


class Exact:
    """Finds the true labels of a scene, at half of its size as a network does."""

    classes, scale = CLASSES, 1.0

    def __init__(self, source: SceneSource) -> None:
        self._source = source
        self.looked = 0

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        self.looked += len(frames)
        return [self.found(frame) for frame in frames]

    def found(self, frame: Frame) -> Segmentation:
        labels = np.ascontiguousarray(self._source.labels(frame.index)[::2, ::2])
        return Segmentation(labels, CLASSES, frame.index, frame.time_s)

    def close(self) -> None: ...


def as_file(source: SceneSource, rules: Rules, every: int) -> Iterator[Shown]:
    """What a pipeline shows whose network looks at every n-th frame: the masks between come from both sides."""
    pace = InferenceScheduler("fps", replace(source.info, fps=every / 0.4), effort="quick")
    exact = Exact(source)
    yield from Pipeline(source, lambda: exact, evaluate=rules, make_propagator=FlowPropagator, pace=pace)
    assert exact.looked == -(-(source.info.frames or 0) // every)


def as_live(source: SceneSource, rules: Rules, every: int) -> Iterator[tuple[Frame, Findings]]:
    """The same of a camera: the newest mask is carried on, and none is known ahead."""
    exact, propagator = Exact(source), FlowPropagator()
    for frame in source:
        propagator.observe(frame)
        if frame.index % every == 0:
            found = exact.found(frame)
        yield frame, rules(frame, propagator.carry(found))


def crossings(source: SceneSource, x: float) -> dict[str, dict[str, int]]:
    """By class: how often the middle of a thing passed the upright line at `x` (a fraction), in each direction."""
    counts = {name: {"westwards": 0, "eastwards": 0} for name in SCENE_CLASSES[1:]}
    before: list[bool] = []
    for index in range(source.info.frames or 0):
        masks = source.masks(index)
        right = [_middle(mask) > x * source.info.width for _, mask in masks]
        for (class_id, _), was, now in zip(masks, before or right, right, strict=True):
            if was != now:
                counts[SCENE_CLASSES[class_id]]["eastwards" if now else "westwards"] += 1
        before = right
    return counts


def _middle(mask: Mask) -> float:
    columns = mask.sum(0)
    return float(columns @ np.arange(len(columns)) / columns.sum())


def stays(source: SceneSource, left: float, right: float) -> list[tuple[str, int, int]]:
    """Class, first frame and first frame after, of each time that half of a thing was between two upright lines."""
    first, last = round(left * source.info.width), round(right * source.info.width)
    since: dict[int, int] = {}
    found = []
    frames = source.info.frames or 0
    for index in range(frames + 1):
        masks = source.masks(min(index, frames - 1))
        for number, (class_id, mask) in enumerate(masks):
            inside = index < frames and mask[:, first:last].sum() >= 0.5 * mask.sum()
            if inside:
                since.setdefault(number, index)
            elif number in since:
                found.append((SCENE_CLASSES[class_id], since.pop(number), index))
    return sorted(found)
