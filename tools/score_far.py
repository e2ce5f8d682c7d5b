"""Scores models of people by how far the people are: whole people, made smaller, before a blurred ground.

    python tools/score_far.py PEOPLE/images PEOPLE/masks [--models person,person-pose] [--only "*[16].jpg"]
    python tools/score_far.py PEOPLE/images PEOPLE/masks --grounds "ROAD/images/DF_080_*"

Masks say 1 for the person and 255 for what is not judged. Each picture is laid over a frame of 1280x720 at a height of
600, 360, 240 and 160 pixels, another place each time; prints the IoU of the person over all of them. With `--grounds`,
pictures without anybody, groups are scored instead: two to six people, cut out, over each ground, over each other and
over the frame's edge; and how much of the grounds alone is taken for people.
"""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatch
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame
from streamseg.imagefile import read_image
from streamseg.infer import load_segmenter
from streamseg.maskfile import read_mask

HEIGHT, WIDTH = 720, 1280
HEIGHTS = (600, 360, 240, 160)
GROUPS = ((60, 160), (160, 360), (360, 900))
VOID = 255


def frames(pictures: list[Path], masks: Path, high: int) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Frames with one picture each, and their masks."""
    noise = np.random.default_rng(0).integers(60, 180, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    ground, made = cv2.GaussianBlur(noise, (0, 0), 3), []
    for number, path in enumerate(pictures):
        picture, mask = read_image(path), read_mask(masks / f"{path.stem}.png")
        size = round(picture.shape[1] * high / picture.shape[0]), high
        x, y = 137 * number % (WIDTH - size[0]), (HEIGHT - high) // 2
        frame, truth = np.asarray(ground, np.uint8).copy(), np.zeros((HEIGHT, WIDTH), np.uint8)
        frame[y : y + high, x : x + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        truth[y : y + high, x : x + size[0]] = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
        made.append((frame, truth))
    return made


def groups(
    pictures: list[Path], masks: Path, grounds: list[Path], high: tuple[int, int]
) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """A frame for each ground, with two to six of the people whose pictures are so high, in pixels."""
    made = []
    for number, ground in enumerate(grounds):
        dice = np.random.default_rng((number, *high))
        frame = np.asarray(cv2.resize(read_image(ground), (WIDTH, HEIGHT)), np.uint8)
        truth = np.zeros((HEIGHT, WIDTH), np.uint8)
        for _ in range(dice.integers(2, 7)):
            path = pictures[int(dice.integers(len(pictures)))]
            mask = np.asarray(read_mask(masks / f"{path.stem}.png"), np.uint8)
            _lay(frame, truth, read_image(path), mask, int(dice.integers(*high)), dice)
        made.append((frame, truth))
    return made


def _lay(
    frame: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    picture: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    high: int,
    dice: np.random.Generator,
) -> None:
    """The person of a picture into `frame`, anywhere, with what is not judged: it is laid over as well."""
    step = high / picture.shape[0]
    x, y = dice.uniform(0, (WIDTH, HEIGHT)) - np.array(picture.shape[1::-1]) * step / 2
    smaller = cv2.INTER_AREA if step < 1 else cv2.INTER_LINEAR
    size = round(picture.shape[1] * step), high
    place = np.array([[1, 0, round(x)], [0, 1, round(y)]], np.float32)
    seen = cv2.warpAffine(cv2.resize(picture, size, interpolation=smaller), place, (WIDTH, HEIGHT))
    known = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
    there = cv2.warpAffine(known, place, (WIDTH, HEIGHT), flags=cv2.INTER_NEAREST)
    cut = there > 0
    frame[cut], truth[cut] = seen[cut], there[cut]


def score(model: str, framed: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> float:
    """IoU of everything but the model's first class, 0..1; each frame is a stranger to the one before."""
    recipe, both, either = load_segmenter(model), 0, 0
    segment = recipe.make(1)
    for frame, truth in framed:
        if not recipe.parallel:
            segment = recipe.make(1)
        labels = segment([Frame(frame, 0, 0.0, 0.0)])[0].labels
        found = cv2.resize(labels, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST_EXACT) > 0
        both += int((found & (truth == 1)).sum())
        either += int(((found | (truth == 1)) & (truth != VOID)).sum())
    return both / either


def taken(model: str, grounds: list[Path]) -> float:
    """How much of pictures without anybody is taken for people, 0..1."""
    recipe, shares = load_segmenter(model), []
    for ground in grounds:
        labels = recipe.make(1)([Frame(read_image(ground), 0, 0.0, 0.0)])[0].labels
        shares.append(float((labels > 0).mean()))
    return float(np.mean(shares))


def score_groups(pictures: list[Path], masks: Path, grounds: list[Path], models: list[str]) -> None:
    for high in GROUPS:
        framed = groups(pictures, masks, grounds, high)
        told = ", ".join(f"{model} {score(model, framed):.1%}" for model in models)
        print(f"groups, {high[0]} to {high[1]} px high, {len(grounds)} grounds: {told}", flush=True)
    told = ", ".join(f"{model} {taken(model, grounds):.2%}" for model in models)
    print(f"nobody there, taken for people: {told}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--models", default="person,person-parts,person-pose")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="of the pictures' names")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one picture in N")
    parser.add_argument("--grounds", metavar="PATTERN", help="files of pictures without anybody, for groups")
    options = parser.parse_args()
    chosen = sorted(path for path in options.pictures.iterdir() if fnmatch(path.name, options.only))[:: options.every]
    if options.grounds:
        where = Path(options.grounds)
        grounds = sorted(where.parent.glob(where.name))[:: options.every]
        score_groups(chosen, options.masks, grounds, options.models.split(","))
        return 0
    for high in HEIGHTS:
        framed = frames(chosen, options.masks, high)
        told = ", ".join(f"{model} {score(model, framed):.1%}" for model in options.models.split(","))
        print(f"{high} px high, {len(chosen)} pictures: {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
