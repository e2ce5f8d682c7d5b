"""Runs inside the machine of `vm.py`: a stream into a virtual camera, which another program films, and nobody does."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import streamseg
from streamseg.frame import Image
from tests.parts.clips import numbered, read_number
from tests.parts.fakes import CLASSES

DEVICE, WIDTH, HEIGHT = "/dev/video10", 160, 120


class Network:
    """Counts its frames; its upper half is the thing."""

    classes = CLASSES

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frames: Sequence[streamseg.Frame]) -> list[streamseg.Segmentation]:
        self.calls += len(frames)
        labels = np.repeat(np.array([[1], [0]], np.uint8), 2, axis=1)
        return [streamseg.Segmentation(labels, CLASSES, frame.index, frame.time_s) for frame in frames]

    def close(self) -> None: ...


class Camera:
    """Ten numbered pictures a second until it is told to stop."""

    def __init__(self) -> None:
        self.given = 0
        self.ended = threading.Event()

    def __iter__(self) -> Iterator[Image]:
        while not self.ended.wait(0.1):
            yield numbered(self.given % 250, WIDTH, HEIGHT)
            self.given += 1


def filmed(path: Path, frames: int) -> list[Image]:
    """What v4l2-ctl, a program that knows nothing of streamseg, reads from the device: pictures in I420."""
    command = ["v4l2-ctl", "-d", DEVICE, "--stream-mmap", f"--stream-count={frames}", f"--stream-to={path}"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    raw = np.fromfile(path, np.uint8).reshape(-1, HEIGHT * 3 // 2, WIDTH)
    import cv2

    return [np.asarray(cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420), np.uint8) for picture in raw]


def calls_in(network: Network, camera: Camera, frames: int) -> int:
    """How often the network ran while the camera gave so many frames."""
    calls, given = network.calls, camera.given
    while camera.given < given + frames:
        time.sleep(0.05)
    return network.calls - calls


def calls_at_rest(network: Network, camera: Camera) -> int:
    """How often the network runs within 30 frames, once it rests: a busy machine is slow to open devices."""
    while calls_in(network, camera, 10):
        pass
    return calls_in(network, camera, 30)


def main() -> None:
    subprocess.run(["/usr/sbin/insmod", sys.argv[1], "video_nr=10", "exclusive_caps=1"], check=True)
    network, camera = Network(), Camera()
    stream = streamseg.open(
        streamseg.frames(camera, fps=10, live=True), f"camera:{DEVICE}", model=network, view="mask", steady=False
    )
    runner = threading.Thread(target=stream.run)
    runner.start()
    found: dict[str, object] = {}
    found["calls_before"] = calls_at_rest(network, camera)
    pictures = filmed(Path("/run/mask.i420"), 10)
    found["size"] = [pictures[0].shape[1], pictures[0].shape[0]]
    found["colours"] = [pictures[-1][row, WIDTH // 2].tolist() for row in (HEIGHT // 4, HEIGHT * 3 // 4)]
    found["calls_while_filmed"] = network.calls
    found["calls_after"] = calls_at_rest(network, camera)
    stream.change(view="source")
    _, *pictures = filmed(Path("/run/plain.i420"), 10)  # the device keeps the last picture from before the rest
    numbers = [read_number(picture) for picture in pictures]
    found["numbers_rise"] = all((b - a) % 250 < 50 for a, b in itertools.pairwise(numbers)), numbers
    found["late_by"] = (camera.given - numbers[-1]) % 250
    camera.ended.set()
    runner.join(30)
    print("FOUND", json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
