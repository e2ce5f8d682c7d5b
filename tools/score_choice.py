"""Scores `person-auto` beside the models that it chooses from, on people of all sizes, on videos and on animals.

    python tools/score_choice.py DATA [--models person,person-pose,people,person-auto] [--every 5] [--only PATTERN]

DATA holds the sets of docs/models.md: `people`, `road`, `camvid` and `clips`. Prints a row for each kind of picture,
and of each model the IoU of the person over all of them (where nobody is there: what is taken for people) and its
processor time a frame, on one thread. Single pictures are strangers to each other, so that the choice is made for each;
films are read in order.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from score_far import GROUPS, HEIGHTS, VOID, frames, groups

from streamseg.frame import Frame
from streamseg.imagefile import read_image
from streamseg.infer import choosing, load_segmenter
from streamseg.maskfile import read_mask

Plane = NDArray[np.uint8]
Labelled = list[tuple[Plane, Plane]]
WITH_PEOPLE = ("breakdance", "horsejump-high", "motocross-jump", "scooter-black")
WALKING, RIDING, UNKNOWN = 9, 10, 11
"""CamVid's ids."""
FILM_S, FILM_FPS = 2, 25


def whole(pictures: Sequence[Path], masks: Path) -> Labelled:
    """As they are, each filled by one person."""
    return [(read_image(path), np.asarray(read_mask(masks / f"{path.stem}.png"), np.uint8)) for path in pictures]


def upper(pictures: Sequence[Path], masks: Path) -> Labelled:
    """From above the head to about the hips, 480 px high, as a camera on a desk sees people."""
    made = []
    for picture, mask in whole(pictures, masks):
        rows = np.flatnonzero((mask == 1).any(1))
        if not len(rows):
            continue
        tall = int(rows[-1] - rows[0])
        top, end = max(0, int(rows[0] - 0.05 * tall)), int(rows[0] + 0.4 * tall)
        wide = min(picture.shape[1], (end - top) * 4 // 3)
        middle = int(np.flatnonzero((mask[top:end] == 1).any(0)).mean())
        left = min(max(0, middle - wide // 2), picture.shape[1] - wide)
        size = round(wide * 480 / (end - top)), 480
        part = slice(top, end), slice(left, left + wide)
        made.append((cv2.resize(picture[part], size), cv2.resize(mask[part], size, interpolation=cv2.INTER_NEAREST)))
    return made  # type: ignore[return-value]


def film(picture: Plane, mask: Plane) -> Labelled:
    """The camera moves over a picture, by a pixel a frame and back."""
    count = FILM_S * FILM_FPS
    steps = [min(step, count - step) for step in range(count)]
    width = picture.shape[1] - count // 2
    return [(picture[:, step : step + width], mask[:, step : step + width]) for step in steps]


def street(folder: Path, part: str) -> Labelled:
    """A drive of CamVid; riders are people here, with what they ride."""
    made = []
    for path in sorted((folder / part).iterdir()):
        ids = read_mask(folder / f"{part}annot" / f"{path.stem}.png")
        truth = np.isin(ids, (WALKING, RIDING)).astype(np.uint8)
        truth[ids == UNKNOWN] = VOID
        made.append((read_image(path), truth))
    return made


def clip(folder: Path, *, people: bool) -> Labelled:
    """A video of one moving object, which is a person or none."""
    made = []
    for path in sorted((folder / "images").iterdir()):
        object_ = read_mask(folder / "masks" / f"{path.stem}.png") > 0
        made.append((read_image(path), (object_ & people).astype(np.uint8)))
    return made


def measure(model: str, films: Sequence[Labelled], fps: float) -> tuple[float, float]:
    """IoU of the people, or where there are none the share that is taken for them, 0..1; and ms a frame."""
    segment, spent_s, count = load_segmenter(model).make(1), 0.0, 0
    hit = missed = wrong = judged = 0
    for pairs in films:
        segment([Frame(np.zeros((64, 64, 3), np.uint8), 0, 0.0, 0.0)])  # of another size: what remembers forgets
        for index, (picture, truth) in enumerate(pairs):
            frame = Frame(np.array(picture), index, index / fps, 0.0)
            started_s = time.thread_time()
            labels = segment([frame])[0].labels
            spent_s += time.thread_time() - started_s
            count += 1
            found = cv2.resize(labels, truth.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT) > 0
            hit += int((found & (truth == 1)).sum())
            missed += int((~found & (truth == 1)).sum())
            wrong += int((found & (truth == 0)).sum())
            judged += int((truth != VOID).sum())
    segment.close()
    score = hit / (hit + missed + wrong) if hit + missed else wrong / judged
    return score, spent_s / count * 1e3


def conditions(data: Path, only: str, every: int) -> dict[str, Callable[[], tuple[list[Labelled], float]]]:
    """What is measured: its name, and what makes films of it, of so many frames a second."""
    masks, pictures = data / "people" / "masks", data / "people" / "images"
    chosen = sorted(path for path in pictures.iterdir() if fnmatch(path.name, only))[::every]
    grounds = sorted((data / "road" / "images").glob("DF_080_*"))[::every]
    clear = [(read_image(path), np.zeros(read_image(path).shape[:2], np.uint8)) for path in grounds]

    def apart(make: Callable[[], Labelled]) -> Callable[[], tuple[list[Labelled], float]]:
        return lambda: ([[pair] for pair in make()], 1.0)

    return {
        "whole people": apart(lambda: whole(chosen, masks)),
        "head to hips": apart(lambda: upper(chosen, masks)),
        "head to hips, films": lambda: ([film(*pair) for pair in upper(chosen[::3], masks)], FILM_FPS),
        **{f"one, {high} px": apart(lambda high=high: frames(chosen, masks, high)) for high in HEIGHTS},  # type: ignore[misc]
        **{
            f"groups, {low} to {high} px": apart(lambda low=low, high=high: groups(chosen, masks, grounds, (low, high)))  # type: ignore[misc]
            for low, high in reversed(GROUPS)
        },
        "road, nobody": apart(lambda: clear),
        "CamVid's drive": lambda: ([street(data / "camvid", "val")], 15.0),
        **{
            f"{path.name}{'' if path.name in WITH_PEOPLE else ', nobody'}": lambda path=path: (  # type: ignore[misc]
                [clip(path, people=path.name in WITH_PEOPLE)],
                24.0,
            )
            for path in sorted((data / "clips").iterdir())
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", default=f"person,person-pose,people,{choosing.NAME}")
    parser.add_argument("--only", default="*[16].jpg", metavar="PATTERN", help="of the names of people's pictures")
    parser.add_argument("--every", type=int, default=5, metavar="N", help="one picture in N")
    options = parser.parse_args()
    models = options.models.split(",")
    cv2.setNumThreads(1)
    print(f"| | {' | '.join(models)} |\n|---|{'---|' * len(models)}")
    for name, make in conditions(options.data, options.only, options.every).items():
        films, fps = make()
        cells = [f"{score:.1%}, {ms:.0f} ms" for score, ms in (measure(model, films, fps) for model in models)]
        print(f"| {name} ({sum(map(len, films))}) | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
