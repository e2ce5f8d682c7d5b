"""What carried masks are worth: a labelled video, masks that come late or seldom, and every frame's own made steady.

    python tools/bench_motion.py --data CAMVID

CAMVID holds val/ and valannot/: the frames of one video, in order, and a picture of class ids for each (11 is void).
mIoU is from one confusion matrix over all frames for which there is a mask; void counts for nothing. All ways of a
table take turns frame by frame; times are CPU milliseconds a frame of one thread, in groups of five frames: median
(lowest). `steady` is the temporal consistency of `streamseg eval --video`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import thread_time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.capture.media import IMAGES
from streamseg.evaluation.scores import confusion, scores
from streamseg.evaluation.temporal import Consistency
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.motion import Effort, make_propagator
from streamseg.segmentation import Classes, Segmentation

Labels = NDArray[np.uint8]
Step = Callable[[int], Sequence[tuple[int, Labels]]]
"""Takes the index of the next frame; gives indices and labels of those frames that are ready."""

VOID, FPS, EVERY = 11, 15.0, 5


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
    matrix: NDArray[np.int64] = field(init=False)
    consistency: Consistency = field(init=False)
    times_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.matrix = np.zeros((self.n_classes, self.n_classes), np.int64)
        self.consistency = Consistency(self.n_classes)

    def run(self, clip: Clip, index: int) -> None:
        started_s = thread_time()
        ready = self.step(index)
        self.times_ms.append((thread_time() - started_s) * 1e3)
        for at, labels in ready:
            true = clip.truth[at]
            full = cv2.resize(labels, true.shape[::-1], interpolation=cv2.INTER_NEAREST)
            self.matrix += confusion(true, np.asarray(full, np.uint8), self.n_classes)
            self.consistency.add(clip.frames[at].image, labels)

    @property
    def miou(self) -> float:
        return scores(self.matrix).miou


def compare(title: str, clip: Clip, steps: dict[str, Step], whole: float | None = None) -> dict[str, Way]:
    """Runs every way over the clip and prints how they did, where `whole` is given as shares of that mIoU."""
    ways = {name: Way(step, len(clip.found[0].classes)) for name, step in steps.items()}
    for index in range(len(clip.frames)):
        for way in ways.values():
            way.run(clip, index)
    print(f"\n{title}\n{'':38}{'mIoU %':>8}{'share %':>9}{'steady %':>10}{'ms':>14}")
    for name, way in ways.items():
        share = "" if whole is None else f"{100 * way.miou / whole:.1f}"
        groups = np.mean(np.reshape(way.times_ms[1 : 1 + len(way.times_ms) // EVERY * EVERY], (-1, EVERY)), 1)
        times = f"{np.median(groups):.2f} ({groups[2:].min():.2f})"
        print(f"{name:38}{100 * way.miou:8.1f}{share:>9}{100 * way.consistency.mean():10.1f}{times:>14}")
    return ways


# The ways.


def held(clip: Clip) -> Step:
    def step(index: int) -> list[tuple[int, Labels]]:
        key = clip.key(index)
        return [(index, clip.found[key].labels)] if key >= 0 else []

    return step


def warped(clip: Clip, *, chained: bool) -> Step:
    """The usual way: quick flow at the frame's size, over the whole gap or frame by frame, and the nearest pixel."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
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


# The clip.


def load(folder: Path) -> tuple[list[Frame], list[Labels]]:
    """Frames and true labels, void as 255."""
    pictures = sorted(path for path in (folder / "val").iterdir() if path.suffix.lower() in IMAGES)
    frames = [
        Frame(np.asarray(cv2.imread(str(path)), np.uint8), i, i / FPS, i / FPS) for i, path in enumerate(pictures)
    ]
    files = [folder / "valannot" / f"{path.stem}.png" for path in pictures]
    masks = [np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), np.uint8) for file in files]
    return frames, [np.where(mask == VOID, 255, mask).astype(np.uint8) for mask in masks]


def perfect(truth: list[Labels], classes: Classes) -> list[Segmentation]:
    """What a network without fault would find: the truth, its void filled with the nearest class."""
    return [Segmentation(filled(labels), classes, i, i / FPS) for i, labels in enumerate(truth)]


def filled(labels: Labels) -> Labels:
    void = (labels == 255).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(void, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    values = np.zeros(int(np.max(nearest)) + 1, np.uint8)
    values[nearest[void == 0]] = labels[void == 0]
    return np.asarray(values[nearest], np.uint8)


def enlarged(frames: list[Frame]) -> list[Frame]:
    """The same at 1280x720."""
    images = [cv2.resize(frame.image, (1280, 720), interpolation=cv2.INTER_CUBIC) for frame in frames]
    return [replace(frame, pixels=np.asarray(image, np.uint8)) for frame, image in zip(frames, images, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--model", default="street")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    frames, truth = load(arguments.data)
    recipe = load_segmenter(arguments.model)
    segment = recipe.make(1)
    network = Clip(frames, truth, [segment([frame])[0] for frame in frames])
    ideal = replace(network, found=perfect(truth, recipe.classes))

    for late in (1, 2, 4):
        clip = replace(ideal, key=lambda index, late=late: index - late)  # type: ignore[misc]
        ways = {
            "held": held(clip),
            "flow": warped(clip, chained=False),
            "carried": carried(clip, steady=False),
            "carried, fine": carried(clip, "fine", steady=False),
        }
        compare(f"perfect masks, {late / FPS * 1e3:.0f} ms late", clip, ways)

    def seldom(clip: Clip, steady: bool) -> dict[str, Step]:
        return {
            "held": held(clip),
            "flow frame to frame": warped(clip, chained=True),
            "carried": carried(clip, steady=steady),
            "carried, fine": carried(clip, "fine", steady=steady),
            "from both sides, quick (files)": from_both_sides(clip, "quick"),
            "from both sides, fine (files)": from_both_sides(clip, "fine"),
        }

    def own(clip: Clip) -> dict[str, Step]:
        return {
            "the network's own": held(clip),
            "steadied, quick (files)": carried(clip, "quick", steady=True),
            "steadied": carried(clip, steady=True),
            "steadied, fine": carried(clip, "fine", steady=True),
        }

    def last_key(index: int) -> int:
        return index // EVERY * EVERY

    clip = replace(ideal, key=last_key)
    compare(f"perfect masks in every {EVERY}th frame", clip, seldom(clip, steady=False))
    whole = compare(f"{recipe.name} in every frame", network, own(network))["the network's own"].miou
    clip = replace(network, key=last_key)
    compare(f"{recipe.name} in every {EVERY}th frame", clip, seldom(clip, steady=True), whole)

    frames = enlarged(frames)
    found = [segment([frame])[0] for frame in frames]
    h, w = found[0].labels.shape
    clip = Clip(frames, truth, found)
    title = f"{recipe.name} in every frame of 1280x720, labels of {w}x{h}"
    whole = compare(title, clip, own(clip))["the network's own"].miou
    clip = replace(clip, key=last_key)
    compare(f"{recipe.name} in every {EVERY}th frame of 1280x720", clip, seldom(clip, steady=True), whole)


if __name__ == "__main__":
    main()
