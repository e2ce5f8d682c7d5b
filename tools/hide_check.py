"""Shares of what is to be hidden that can be seen all the same, on clips whose every frame has a true mask.

python tools/hide_check.py [--data FOLDER] [--cost]

FOLDER holds `clips/NAME/{images,masks}` and `camvid/{val,valannot}`; without it the generated scene alone is measured.
`exact` are the true masks instead of a network: what is seen then is the fault of hiding itself. `--cost` measures what
hiding takes of a 720p frame instead.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

import streamseg
from streamseg.capture.scene import SceneSource
from streamseg.frame import Frame, Image
from streamseg.model import ModelLike
from streamseg.options import PrivacyOptions, SourceOptions
from streamseg.pipeline.scheduler import Target
from streamseg.privacy import make_cover
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import BT601, Planes, to_i420

Mask = NDArray[np.bool_]
CLASSES = Classes(("background", "thing"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), background=0)
COLOUR = (255, 0, 255)
TARGETS: tuple[Target, ...] = ("quality", "fps")


class Clip(NamedTuple):
    """Frames with what is to be hidden in each."""

    name: str
    images: Sequence[Image]
    truth: Sequence[Mask]
    fps: float


class Exact:
    """A model that gives the true masks."""

    classes = CLASSES

    def __init__(self, truth: Sequence[Mask]) -> None:
        self._truth = truth

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """Those of `frames`."""
        return [
            Segmentation(self._truth[each.index].view(np.uint8), CLASSES, each.index, each.time_s) for each in frames
        ]

    def close(self) -> None:
        """Nothing is open."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cost", action="store_true")
    arguments = parser.parse_args()
    if arguments.cost:
        cost()
        return 0
    print("| clip | masks | target | of the picture | frames covered whole | seen | worst frame | covered |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for clip in clips(arguments.data):
        for target in TARGETS:
            measure(clip, Exact(clip.truth), "thing", "exact", target)
    if arguments.data:
        for name, label in (("pedestrian", 9), ("car", 8)):
            clip = drive(arguments.data, name, label)
            for target in TARGETS:
                measure(clip, "street", name, "`street`", target)
    return 0


def measure(clip: Clip, model: ModelLike, hidden: str, masks: str, target: Target) -> None:
    """Prints the row of one clip."""
    whole = there = seen = 0
    worst = covered = 0.0
    source = streamseg.frames(clip.images, fps=clip.fps)
    with streamseg.open(source, model=model, hide=hidden, hide_with="#ff00ff", view="source", target=target) as stream:
        for shown in stream:
            cover = (shown.image == np.array(COLOUR)).all(2)
            covered += float(cover.mean())
            whole += bool(cover.all())
            truth = clip.truth[shown.frame.index]
            count, left = int(truth.sum()), int((truth & ~cover).sum())
            there, seen = there + count, seen + left
            worst = max(worst, left / count if count else 0.0)
    frames = len(clip.images)
    area = float(np.mean([each.mean() for each in clip.truth]))
    print(
        f"| {clip.name} | {masks} | {target} | {area:.1%} | {whole} of {frames} | {seen / max(1, there):.2%} "
        f"| {worst:.1%} | {covered / frames:.0%} |",
        flush=True,
    )


def clips(data: Path | None) -> Iterator[Clip]:
    """The generated scene, and each clip below `data`."""
    scene = SceneSource("test://?frames=100&size=640x360", SourceOptions())
    images = [scene.image(index) for index in range(100)]
    yield Clip("`test://`", images, [scene.labels(index) == 1 for index in range(100)], 30.0)
    for folder in sorted((data / "clips").iterdir()) if data else ():
        yield read(folder.name, folder / "images", folder / "masks", 1, 24.0)


def drive(data: Path, name: str, label: int) -> Clip:
    """CamVid's validation drive."""
    return read(f"camvid, {name}", data / "camvid" / "val", data / "camvid" / "valannot", label, 15.0)


def read(name: str, images: Path, masks: Path, label: int, fps: float) -> Clip:
    """A clip out of folders of pictures and masks that are called alike."""
    files = sorted(images.iterdir())
    pictures = [np.asarray(cv2.imread(str(file)), np.uint8) for file in files]
    truth = [cv2.imread(str(masks / f"{file.stem}.png"), cv2.IMREAD_UNCHANGED) for file in files]
    return Clip(name, pictures, [np.asarray(each) == label for each in truth], fps)


def cost() -> None:
    """Prints milliseconds of one core for a 720p frame of which 15 % are hidden."""
    cv2.setNumThreads(1)
    image = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    labels = np.zeros((256, 256), np.uint8)
    cv2.ellipse(labels, (128, 160), (40, 80), 0, 0, 360, 1, cv2.FILLED)
    sure = np.full_like(labels, 255)
    for form, pixels in (("BGR", image), ("planes", Planes.blank(to_i420(image, BT601), BT601))):
        for way in ("pixels", "blur", "black"):
            cover = make_cover(PrivacyOptions(hide="thing", hide_with=way))
            assert cover is not None
            took_ms = []
            for index in range(60):
                frame = Frame(pixels, index, index / 30, 0.0)
                found = Segmentation(labels, CLASSES, index, index / 30, sure)
                started_s = time.thread_time()
                cover(frame, found)
                took_ms.append((time.thread_time() - started_s) * 1e3)
            print(f"{form:7} {way:7} {statistics.median(took_ms):.2f} ms", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
