"""How well objects keep their numbers: IDF1 over generated scenes, whose truth is exact.

    python tools/bench_tracks.py [--scenes 8] [--frames 300]

IDF1 (Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016): each true
object gets one number of the result at most, so that as many boxes as possible fit (IoU 0.5) the object that their
number stands for; that many, doubled, over the boxes of both. `at best` is the same were every number right: what is
not found counts against both. `switches` counts how often a true object's number is another than the one it had before,
`back` how many came back within a second with the number that they had, of how many. A thing of which less than a third
can be seen is not there, neither for the network nor in the truth. What the network finds is off by up to a pixel on
each side.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

from streamseg.capture.scene import SCENE_CLASSES, SceneSource
from streamseg.frame import Frame
from streamseg.masks import box_overlaps
from streamseg.motion import make_propagator
from streamseg.options import SourceOptions
from streamseg.segmentation import Classes, Instances, Segmentation

FPS, SIZE = 30, (320, 240)
CLASSES = Classes(SCENE_CLASSES, np.zeros((len(SCENE_CLASSES), 3), np.uint8), background=0)
AWAY = 5  # frames without an object, from which it has been out of sight
VISIBLE, FITS, OFF_PX = 1 / 3, 0.5, 1.0
Boxes = NDArray[np.float32]
Pillars = Sequence[tuple[int, int]]
"""From left to right, px."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way in which a network or a scene loses sight of things."""

    name: str
    looks: Callable[[int], bool] = lambda index: index % 3 == 0
    """Whether the network looks at a frame of this index."""
    misses: float = 0.0
    """Share of the things, 0..1, that it misses in each look."""
    blind: Callable[[int], bool] = lambda index: False
    """Whether it finds nothing at all in a frame."""
    pillars: Pillars = ()
    """What things pass behind."""


ROWS = (
    Row("every frame", looks=lambda index: True),
    Row("every third frame"),
    Row("every tenth frame", looks=lambda index: index % 10 == 0),
    Row("every third, three in ten missed", misses=0.3),
    Row("every third, nothing for a second in three", blind=lambda index: index % (3 * FPS) >= 2 * FPS),
    Row("every third, two pillars of 40 px", pillars=((90, 130), (200, 240))),
    Row("every third, two pillars, two in ten missed", misses=0.2, pillars=((90, 130), (200, 240))),
)


class Identity:
    """Counts how often which number lay on which true object."""

    def __init__(self) -> None:
        self.true = self.found = self.fitting = self.switches = self.returned = self.kept = 0
        self._pairs: Counter[tuple[int, int]] = Counter()
        self._last: dict[int, tuple[int, int]] = {}

    def add(self, index: int, true: Boxes, true_ids: Sequence[int], found: Boxes, found_ids: Sequence[int]) -> None:
        """One frame: boxes (N, 4) and (M, 4), and the numbers of each."""
        self.true += len(true)
        self.found += len(found)
        overlaps = box_overlaps(true, found)
        overlaps[overlaps < FITS] = 0
        for row, column in zip(*linear_sum_assignment(-overlaps), strict=True):
            if overlaps[row, column]:
                who, number = true_ids[row], found_ids[column]
                before, number_before = self._last.get(who, (index, number))
                self.fitting += 1
                self.switches += number_before != number
                if AWAY < index - before <= FPS:
                    self.returned += 1
                    self.kept += number_before == number
                self._last[who] = index, number
        for row, column in np.argwhere(overlaps > 0):
            self._pairs[true_ids[row], found_ids[column]] += 1

    def idf1(self) -> float:
        """0..1."""
        who, numbers = ({key: i for i, key in enumerate(sorted(set(keys)))} for keys in zip(*self._pairs, strict=True))
        counts = np.zeros((len(who), len(numbers)))
        for (true_id, number), count in self._pairs.items():
            counts[who[true_id], numbers[number]] = count
        both = counts[linear_sum_assignment(-counts)].sum()
        return float(2 * both / (self.true + self.found))

    def best(self) -> float:
        """The same, had each object one number."""
        return 2 * self.fitting / (self.true + self.found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--frames", type=int, default=300)
    arguments = parser.parse_args()
    print("| the network looks at | IDF1 | at best | switches | back |\n| --- | --- | --- | --- | --- |")
    for row in ROWS:
        counted = [measured(row, seed, arguments.frames) for seed in range(arguments.scenes)]
        idf1, best = (np.mean([getattr(each, name)() for each in counted]) for name in ("idf1", "best"))
        switches, kept, returned = (
            sum(getattr(each, name) for each in counted) for name in ("switches", "kept", "returned")
        )
        print(f"| {row.name} | {idf1:.1%} | {best:.1%} | {switches} | {kept} of {returned} |", flush=True)


def measured(row: Row, seed: int, frames: int) -> Identity:
    """One scene with one tracker: what it shows in each frame against what is there."""
    scene = SceneSource(f"test://?seed={seed}&frames={frames}&size={SIZE[0]}x{SIZE[1]}&fps={FPS}", SourceOptions())
    dice = np.random.default_rng(seed)
    propagator, identity = make_propagator(), Identity()
    newest: Segmentation | None = None
    for index in range(frames):
        visible = list(seen(scene, index, row.pillars))
        propagator.observe(Frame(picture(scene, index, row.pillars), index, index / FPS, 0.0))
        if row.looks(index):
            kept = [each for each in visible if dice.random() >= row.misses and not row.blind(index)]
            newest = segmentation([(class_id, mask) for _, class_id, mask in kept], index, dice)
        assert newest is not None
        shown = propagator.carry(newest).instances
        assert shown is not None
        true = np.array([box_of(mask) for _, _, mask in visible], np.float32).reshape(-1, 4)
        identity.add(index, true, [number for number, _, _ in visible], shown.boxes, shown.track_ids.tolist())
    return identity


def seen(scene: SceneSource, index: int, pillars: Pillars) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
    """Number, class and visible part of each thing that can be seen well enough."""
    masks = scene.masks(index)
    hidden = np.zeros(masks[0][1].shape, bool)
    for left, right in pillars:
        hidden[:, left:right] = True
    for number, (class_id, mask) in reversed(list(enumerate(masks))):
        part = mask & ~hidden
        if part.sum() >= VISIBLE * mask.sum():
            yield number, class_id, part
        hidden |= mask


def picture(scene: SceneSource, index: int, pillars: Pillars) -> NDArray[np.uint8]:
    image = scene.image(index)
    for left, right in pillars:
        stripes = np.random.default_rng(left).integers(90, 160, (8, 4, 3), dtype=np.uint8)
        image[:, left:right] = cv2.resize(stripes, (right - left, image.shape[0]), interpolation=cv2.INTER_CUBIC)
    return image


def segmentation(
    things: Sequence[tuple[int, NDArray[np.bool_]]], index: int, dice: np.random.Generator
) -> Segmentation:
    """As a network might find them."""
    n = len(things)
    labels = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    boxes, masks = np.zeros((n, 4), np.float32), np.zeros((n, 28, 28), np.float32)
    for i, (class_id, mask) in enumerate(things):
        labels[mask] = class_id
        left, top, right, bottom = box_of(mask)
        boxes[i] = np.array([left, top, right, bottom]) + dice.uniform(-OFF_PX, OFF_PX, 4)
        masks[i] = cv2.resize(mask[top:bottom, left:right].astype(np.float32), (28, 28), interpolation=cv2.INTER_AREA)
    ids = np.array([class_id for class_id, _ in things], np.int32)
    found = Instances(ids, np.full(n, 0.9, np.float32), boxes, masks, np.full(n, -1, np.int32))
    return Segmentation(labels, CLASSES, index, index / FPS, None, found)


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return left, top, left + width, top + height


if __name__ == "__main__":
    main()
