"""Scores models of people by how far the people are: whole people, made smaller, before a blurred ground.

    python tools/score_far.py PEOPLE/images PEOPLE/masks [--models person,person-pose] [--only "*[16].jpg"]

Masks say 1 for the person and 255 for what is not judged. Each picture is laid over a frame of 1280x720 at a height of
600, 360, 240 and 160 pixels, another place each time; prints the IoU of the person over all of them.
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


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--models", default="person,person-parts,person-pose")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="of the pictures' names")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one picture in N")
    options = parser.parse_args()
    chosen = sorted(path for path in options.pictures.iterdir() if fnmatch(path.name, options.only))[:: options.every]
    for high in HEIGHTS:
        framed = frames(chosen, options.masks, high)
        told = ", ".join(f"{model} {score(model, framed):.1%}" for model in options.models.split(","))
        print(f"{high} px high, {len(chosen)} pictures: {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
