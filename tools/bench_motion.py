"""What carried masks are worth: a labelled video, masks that come late or seldom, and every frame's own made steady.

    python tools/bench_motion.py --data CAMVID
    python tools/bench_motion.py --clips CLIPS [--picture FILE]

CAMVID holds val/ and valannot/: the frames of one video, in order, and a picture of class ids for each (11 is void).
mIoU is from one confusion matrix over all frames for which there is a mask; void counts for nothing. All ways of a
table take turns frame by frame; times are CPU milliseconds a frame of one thread, in groups of five frames: median
(lowest). `steady` is the temporal consistency of `streamseg eval --video`.

CLIPS holds folders with images/ and masks/ each: the frames of a video, in order, and a picture of the object (1) for
each. IoU is the mean over a clip's frames, but those with a perfect mask of their own, then over the clips; times are
the lowest group of each clip, the mean over the clips. Each level of effort is a point in the picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from motion_ways import EVERY, Clip, Labels, Step, Way, carried, from_both_sides, held, objects_carried, warped

from streamseg.capture.media import IMAGES
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.options import Effort
from streamseg.segmentation import Classes, Segmentation

VOID, FPS = 11, 15.0
LATE = 4
EFFORTS: tuple[Effort, ...] = ("quick", "usual", "fine")
OBJECT = Classes(("background", "object"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), background=0)


def compare(title: str, clip: Clip, steps: dict[str, Step], whole: float | None = None) -> dict[str, Way]:
    """Runs every way over the clip and prints how they did, where `whole` is given as shares of that mIoU."""
    ways = {name: Way(step, len(clip.found[0].classes)) for name, step in steps.items()}
    for index in range(len(clip.frames)):
        for way in ways.values():
            way.run(clip, index)
    print(f"\n{title}\n{'':38}{'mIoU %':>8}{'share %':>9}{'steady %':>10}{'ms':>14}")
    for name, way in ways.items():
        share = "" if whole is None else f"{100 * way.miou / whole:.1f}"
        times = f"{np.median(way.groups_ms):.2f} ({way.groups_ms.min():.2f})"
        print(f"{name:38}{100 * way.miou:8.1f}{share:>9}{100 * way.consistency.mean():10.1f}{times:>14}")
    return ways


# The videos.


def pictures(folder: Path) -> list[Frame]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES)
    return [Frame(np.asarray(cv2.imread(str(path)), np.uint8), i, i / FPS, i / FPS) for i, path in enumerate(paths)]


def masks(folder: Path) -> list[Labels]:
    return [np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8) for path in sorted(folder.iterdir())]


def load(folder: Path) -> tuple[list[Frame], list[Labels]]:
    """Frames and true labels, void as 255."""
    truth = masks(folder / "valannot")
    return pictures(folder / "val"), [np.where(mask == VOID, 255, mask).astype(np.uint8) for mask in truth]


def clips(folder: Path) -> Iterator[tuple[str, Clip]]:
    """Videos of one object each, by name, with perfect masks."""
    for each in sorted(path for path in folder.iterdir() if path.is_dir()):
        truth = masks(each / "masks")
        yield each.name, Clip(pictures(each / "images"), truth, perfect(truth, OBJECT))


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


def last_key(index: int) -> int:
    return index // EVERY * EVERY


Points = dict[str, dict[str, tuple[float, float]]]
"""By how masks come, then by way: CPU ms a frame, and IoU."""


def objects(folder: Path) -> Points:
    """The tables of clips, and their last rows as points."""
    points: Points = {}
    videos = list(clips(folder))

    def live(clip: Clip, chained: bool) -> dict[str, Step]:
        flow = warped(clip, chained=chained, preset=cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        return {"held": held(clip), "flow": flow} | {each: carried(clip, each, steady=False) for each in EFFORTS}

    late = [(name, replace(clip, key=lambda index: index - LATE)) for name, clip in videos]
    seldom = [(name, replace(clip, key=last_key)) for name, clip in videos]
    titles = f"{LATE} frames late", f"every {EVERY}th frame, live", f"every {EVERY}th frame, from both sides"
    points[titles[0]] = table(titles[0], [(name, clip, live(clip, chained=False)) for name, clip in late])
    points[titles[1]] = table(titles[1], [(name, clip, live(clip, chained=True)) for name, clip in seldom])

    def sides(clip: Clip) -> dict[str, Step]:
        return {each: from_both_sides(clip, each) for each in EFFORTS}

    files = [(name, clip, sides(clip)) for name, clip in seldom]
    points[titles[2]] = table(titles[2], files)
    for title, these in zip(titles, (late, seldom), strict=False):
        table(f"of objects in boxes, {title}", [(name, clip, boxes(clip)) for name, clip in these])
    return points


def boxes(clip: Clip) -> dict[str, Step]:
    return {each: objects_carried(clip, each) for each in EFFORTS}


def table(title: str, runs: list[tuple[str, Clip, dict[str, Step]]]) -> dict[str, tuple[float, float]]:
    """Runs every way over every clip; prints a row a clip, and one of their means."""
    names = list(runs[0][2])
    print(f"\n| perfect masks, {title} |", *(f"{name} |" for name in names), "\n|", "--- |" * (len(names) + 1))
    rows = []
    for clip_name, clip, steps in runs:
        ways = [Way(step, len(OBJECT), steadiness=False) for step in steps.values()]
        for index in range(len(clip.frames)):
            for way in ways:
                way.run(clip, index)
        rows.append([(float(way.groups_ms.min()), way.object_iou(clip)) for way in ways])
        print(f"| {clip_name} |", *(f"{iou:.3f} |" for _, iou in rows[-1]), flush=True)
    means = {name: (float(ms), float(iou)) for name, (ms, iou) in zip(names, np.mean(rows, 0), strict=True)}
    print("| mean (CPU ms) |", *(f"{iou:.3f} ({ms:.1f}) |" for ms, iou in means.values()))
    return means


def draw(points: Points, file: Path) -> None:
    """The IoU of each level of effort over its time, as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for (title, ways), colour in zip(points.items(), ("#c44e52", "#4c72b0", "#55a868"), strict=True):
        axes.plot(*zip(*(ways[each] for each in EFFORTS), strict=True), "o-", color=colour, label=title)
        for each in EFFORTS:
            axes.annotate(each, ways[each], xytext=(4, -12), textcoords="offset points", fontsize=8, color=colour)
        for other, mark in {"held": "s", "flow": "^"}.items():
            if other in ways:
                axes.plot(*ways[other], mark, color=colour, fillstyle="none")
                axes.annotate(other, ways[other], xytext=(6, -3), textcoords="offset points", fontsize=8, color=colour)
    axes.set(
        xlabel="CPU milliseconds a frame, one thread",
        ylabel="mean IoU of the object",
        xlim=(-0.4, max(ms for ways in points.values() for ms, _ in ways.values()) * 1.08),
    )
    axes.grid(alpha=0.3)
    axes.legend(title="a perfect mask", loc="lower right")
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def drive(folder: Path, model: str) -> None:
    """The tables of CamVid's validation drive."""
    frames, truth = load(folder)
    recipe = load_segmenter(model)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the drive")
    parser.add_argument("--model", default="street", help="what looks at the drive")
    parser.add_argument("--clips", type=Path, metavar="FOLDER", help="videos of one object each")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="the curve of the clips")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.data:
        drive(arguments.data, arguments.model)
    if arguments.clips:
        points = objects(arguments.clips)
        if arguments.picture:
            draw(points, arguments.picture)


if __name__ == "__main__":
    main()
