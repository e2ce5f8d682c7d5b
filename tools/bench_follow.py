"""What `--model follow` is worth: labelled clips of one object each, from a mask, a box and a click in the first frame.

    python tools/bench_follow.py --data CLIPS [--pictures FOLDER]

CLIPS holds a folder for each clip, with images/ and masks/ of the same names (above 0: the object), as DAVIS 2016 has
them. IoU is the mean over all frames but the first, at the frame's own size; a frame without the object scores 1 where
none is found. The box is the mask's own; the click is the point deepest inside the mask; a correction is a click
deepest inside the largest error of the first frame, as a person would make it. `held` leaves the first true mask where
it is. Times are CPU milliseconds a frame of one thread, without decoding. PICTURES are written into FOLDER: a row of
frames of each clip, the truth green, what was found white.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import thread_time
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.capture.media import IMAGES
from streamseg.frame import Frame
from streamseg.infer.classical import load
from streamseg.prompts import Box, Click, Mask, Prompt, Prompts
from streamseg.segmentation import Segmentation

Truth = NDArray[np.bool_]
FPS = 24.0
SHOWN = 6  # frames of each clip in a picture


class Clip(NamedTuple):
    name: str
    frames: list[Frame]
    truth: list[Truth]


class Way(NamedTuple):
    """The first prompt, and how many clicks correct its mask in the first frame."""

    prompt: Callable[[Truth], Prompt]
    corrections: int = 0


def around(mask: Truth) -> Prompt:
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    rows, columns = mask.shape
    return Box(x / columns, y / rows, (x + width) / columns, (y + height) / rows)


def deepest(mask: Truth, *, adds: bool = True) -> tuple[float, Click]:
    """How deep, in pixels, and where."""
    depth = cv2.distanceTransform(np.pad(mask, 1).view(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = divmod(int(np.argmax(depth)), mask.shape[1])
    return float(np.max(depth)), Click((column + 0.5) / mask.shape[1], (row + 0.5) / mask.shape[0], adds)


def correction(true: Truth, found: Truth) -> Click:
    return max(deepest(true & ~found), deepest(found & ~true, adds=False), key=lambda each: each[0])[1]


WAYS = {
    "mask": Way(Mask),
    "box": Way(around),
    "box and one click": Way(around, 1),
    "click": Way(lambda mask: deepest(mask)[1]),
    "two clicks": Way(lambda mask: deepest(mask)[1], 1),
    "four clicks": Way(lambda mask: deepest(mask)[1], 3),
}


def sized(found: Segmentation, shape: tuple[int, ...]) -> Truth:
    return np.asarray(cv2.resize(found.labels, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST_EXACT) > 0)


def iou(one: Truth, other: Truth) -> float:
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def followed(clip: Clip, way: Way) -> tuple[list[Truth], float]:
    """The mask of every frame, and CPU milliseconds a frame."""
    prompts: Prompts = deque([way.prompt(clip.truth[0])])
    segment = load("follow", {}, prompts).make(1)
    masks = [sized(segment([clip.frames[0]])[0], clip.truth[0].shape)]
    for _ in range(way.corrections):
        prompts.append(correction(clip.truth[0], masks[0]))
        masks = [sized(segment([clip.frames[0]])[0], clip.truth[0].shape)]
    started_s = thread_time()
    found = [segment([frame])[0] for frame in clip.frames[1:]]
    took_ms = (thread_time() - started_s) * 1e3 / len(found)
    return masks + [sized(each, clip.truth[0].shape) for each in found], took_ms


def mean_iou(clip: Clip, masks: Sequence[Truth]) -> float:
    return float(np.mean([iou(found, true) for found, true in zip(masks[1:], clip.truth[1:], strict=True)]))


def read(folder: Path) -> Clip:
    files = sorted(path for path in (folder / "images").iterdir() if path.suffix.lower() in IMAGES)
    frames = [Frame(np.asarray(cv2.imread(str(path)), np.uint8), i, i / FPS, i / FPS) for i, path in enumerate(files)]
    masks = (cv2.imread(str(folder / "masks" / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED) for path in files)
    return Clip(folder.name, frames, [np.asarray(mask) > 0 for mask in masks])


def row(clip: Clip, masks: Sequence[Truth]) -> NDArray[np.uint8]:
    pictures = []
    for index in np.linspace(0, len(clip.frames) - 1, SHOWN).astype(int):
        image = clip.frames[index].image.copy()
        for mask, colour in ((clip.truth[index], (80, 220, 80)), (masks[index], (255, 255, 255))):
            lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, lines, -1, colour, 2, cv2.LINE_AA)
        pictures.append(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return np.asarray(np.hstack(pictures), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="CLIPS")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    folders = sorted(path for path in arguments.data.iterdir() if (path / "masks").is_dir())
    print(f"{'IoU %':<18}{'held':>6}" + "".join(f"{name:>19}" for name in WAYS), flush=True)
    table, times_ms = [], []
    for clip in map(read, folders):
        scores = [mean_iou(clip, [clip.truth[0]] * len(clip.truth))]
        for name, way in WAYS.items():
            masks, took_ms = followed(clip, way)
            scores.append(mean_iou(clip, masks))
            times_ms.append(took_ms)
            if arguments.pictures:
                arguments.pictures.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(arguments.pictures / f"{clip.name}-{name.replace(' ', '-')}.jpg"), row(clip, masks))
        table.append(scores)
        print(_line(clip.name, scores), flush=True)
    print(_line("mean", np.mean(table, 0).tolist()))
    print(f"CPU ms a frame: median {np.median(times_ms):.1f}, lowest {min(times_ms):.1f}")


def _line(name: str, scores: Sequence[float]) -> str:
    held, *rest = (100 * score for score in scores)
    return f"{name:<18}{held:6.1f}" + "".join(f"{score:19.1f}" for score in rest)


if __name__ == "__main__":
    main()
