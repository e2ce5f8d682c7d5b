"""How often a rule by the foot of a box miscounts where one by the mask does not: a table, in Markdown.

    python tools/foot_rule.py [--frames 300] [--seeds 3]

Things drift over generated scenes and hide one another; of each its visible pixels are found exactly in every n-th
frame and carried by motion to the others, as before a camera. Both rules get the same objects under the same numbers.
True is what the whole things do: that their middle passes a line, and that half of them is in the zone. The rule by the
foot has the middle of the box's lower edge pass the line, and be in the zone.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streamseg.capture.scene import SCENE_CLASSES, SceneSource
from streamseg.frame import Frame
from streamseg.masks import PlaneMask
from streamseg.motion.propagator import FlowPropagator
from streamseg.options import SourceOptions
from streamseg.rules.follow import Followed, Gate, Track
from streamseg.rules.objects import find_objects
from streamseg.rules.shapes import Line, Polygon
from streamseg.rules.zonepixels import ZonePixels
from streamseg.segmentation import Classes, Instances, Segmentation

CLASSES = Classes(SCENE_CLASSES, np.zeros((len(SCENE_CLASSES), 3), np.uint8), background=0)
WIDTH, HEIGHT = 320, 180
SIZE = HEIGHT, WIDTH
LINES = {"upright": Line("0.5,0 0.5,1"), "level": Line("0,0.5 1,0.5")}
ZONE = Polygon("0.3,0.25 0.7,0.25 0.7,0.75 0.3,0.75")
RATES = (1, 5, 10)
Crossed = Counter[tuple[str, int, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    sources = [
        SceneSource(f"test://?frames={arguments.frames}&size={WIDTH}x{HEIGHT}&seed={seed}", SourceOptions())
        for seed in range(arguments.seeds)
    ]
    truths = [truth(source) for source in sources]
    crossings, stays = sum(sum(each.values()) for each, _ in truths), sum(sum(map(sum, each)) for _, each in truths)
    print(f"| network looks at | rule | crossings wrong, of {crossings} | wrongly in or out of the zone, of {stays} |")
    print("| --- | --- | --- | --- |")
    for every in RATES:
        found = [counted(source, every) for source in sources]
        for rule in ("mask", "foot"):
            wrong = sum(apart(each[rule][0], true[0]) for each, true in zip(found, truths, strict=True))
            off = sum(
                abs(here - there)
                for each, true in zip(found, truths, strict=True)
                for row, other in zip(each[rule][1], true[1], strict=True)
                for here, there in zip(row, other, strict=True)
            )
            print(f"| 1/{every} | {rule} | {wrong} | {off} ({off / stays:.1%}) |")


def apart(one: Crossed, other: Crossed) -> int:
    """Crossings that are missing or too many, by line, class and direction."""
    return sum(abs(one[key] - other[key]) for key in one.keys() | other.keys())


def truth(source: SceneSource) -> tuple[Crossed, list[list[int]]]:
    """Crossings, and for each frame how many of each class are in the zone."""
    crossed: Crossed = Counter()
    present, tracks, gates = [], [Track(0, [], 0.0) for _ in source.masks(0)], make_gates()
    left, top, right, bottom = (round(side) for side in (0.3 * WIDTH, 0.25 * HEIGHT, 0.7 * WIDTH, 0.75 * HEIGHT))
    for index in range(source.info.frames or 0):
        row = [0] * len(SCENE_CLASSES)
        for track, (class_id, mask) in zip(tracks, source.masks(index), strict=True):
            cross(crossed, gates, track, class_id, (middle(mask.sum(0)), middle(mask.sum(1))))
            row[class_id] += bool(mask[top:bottom, left:right].sum() >= 0.5 * mask.sum())
        present.append(row)
    return crossed, present


def counted(source: SceneSource, every: int) -> dict[str, tuple[Crossed, list[list[int]]]]:
    """The same by each rule, out of what is found and carried."""
    rules: dict[str, tuple[Crossed, list[list[int]]]] = {"mask": (Counter(), []), "foot": (Counter(), [])}
    propagator, followed, gates = FlowPropagator(), Followed(), make_gates()
    zone, feet = ZonePixels(ZONE, SIZE, SIZE), ZONE.pixels(WIDTH, HEIGHT)
    for frame in source:
        propagator.observe(frame)
        if frame.index % every == 0:
            found = look(source, frame)
        objects = find_objects(propagator.carry(found), (), SIZE)
        tracks = followed.see(objects, frame.time_s)
        rows = {rule: [0] * len(SCENE_CLASSES) for rule in rules}
        for track, share, box in zip(tracks, objects.inside(zone), objects.found.boxes.tolist(), strict=True):
            foot = (box[0] + box[2]) / 2, box[3]
            cross(rules["mask"][0], gates, track, track.class_id, track.trail[-1].middle)
            cross(rules["foot"][0], gates, track, track.class_id, foot, "foot")
            track.enter_or_leave("zone", float(share), frame.time_s)
            rows["mask"][track.class_id] += "zone" in track.since
            rows["foot"][track.class_id] += all(feet.min(0) <= foot) and all(feet.max(0) > foot)
        for rule, (_, present) in rules.items():
            present.append(rows[rule])
    return rules


def make_gates() -> dict[str, Gate]:
    return {name: Gate(line.pixels(WIDTH, HEIGHT), line.directions, SIZE) for name, line in LINES.items()}


def cross(
    into: Crossed, gates: Mapping[str, Gate], track: Track, class_id: int, here: tuple[float, float], by: str = ""
) -> None:
    for name, gate in gates.items():
        if direction := gate.crossed(name + by, track, here):
            into[name, class_id, direction] += 1


def look(source: SceneSource, frame: Frame) -> Segmentation:
    """Each thing by what can be seen of it: those that come later lie on top."""
    hidden = np.zeros(SIZE, bool)
    seen: list[tuple[int, NDArray[np.bool_]]] = []
    for class_id, mask in reversed(source.masks(frame.index)):
        visible = mask & ~hidden
        hidden |= mask
        if visible.any():
            seen.append((class_id, visible))
    boxes = np.array([box_of(mask) for _, mask in seen], np.float32)
    whole = np.array([0, 0, WIDTH, HEIGHT], np.float32)
    masks = tuple(
        PlaneMask(box, whole, mask.astype(np.float32), threshold=0.5)
        for box, (_, mask) in zip(boxes, seen, strict=True)
    )
    ids, count = np.array([class_id for class_id, _ in seen], np.int32), len(seen)
    instances = Instances(ids, np.ones(count, np.float32), boxes, masks, np.full(count, -1, np.int32))
    return Segmentation(source.labels(frame.index), CLASSES, frame.index, frame.time_s, instances=instances)


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def middle(counts: NDArray[np.int_]) -> float:
    return float(counts @ (np.arange(len(counts)) + 0.5) / counts.sum())


if __name__ == "__main__":
    main()
