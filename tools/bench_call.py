"""What a loaded model costs a frame: `load(model)(frame)`, the pipeline's step, and the network called by hand.

The three take turns with every frame of one clip, in an order that changes, so that what else the machine does falls on
all alike. Times are of the processor, over all threads. `python tools/bench_call.py street person`
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import streamseg
from streamseg.bench import streamseg_loops
from streamseg.bench.compare import Wanted, prepare
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Segmentation

FRAMES = 400
CALLS = 20_000


class Nothing:
    """A model that takes no time."""

    classes = Classes(("nothing",), np.zeros((1, 3), np.uint8))
    labels = np.zeros((4, 4), np.uint8)

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [Segmentation(self.labels, self.classes, frame.index, frame.time_s) for frame in frames]

    def close(self) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    for name in parser.parse_args().models:
        with tempfile.TemporaryDirectory() as folder:
            compare(name, Path(folder))
    image, nothing = np.zeros((720, 1280, 3), np.uint8), Nothing()
    model = streamseg.load(nothing)
    for what, call in (("step", lambda: nothing([Frame(image, 0, 0.0, 0.0)])), ("load", lambda: model(image))):
        started_s = time.thread_time()
        for _ in range(CALLS):
            call()
        print(f"a model that does nothing, {what}: {(time.thread_time() - started_s) / CALLS * 1e6:.1f} us a call")


def compare(name: str, folder: Path) -> None:
    task = prepare(Wanted(name), folder)
    loops = [streamseg_loops.by_hand(task), streamseg_loops.stepped(task), streamseg_loops.called(task)]
    runs = [loop.start() for loop in loops]
    spent_ms: list[list[float]] = [[] for _ in loops]
    for turn in range(FRAMES):
        for i in np.roll([0, 1, 2], turn).tolist():
            started_s = time.process_time()
            next(runs[i])
            spent_ms[i].append((time.process_time() - started_s) * 1e3)
    for loop, values in zip(loops, spent_ms, strict=True):
        low, middle = np.percentile(values[20:], [10, 50])
        print(f"{name}, {loop.name}: CPU ms a frame, decoding with it: median {middle:.2f}, 10th percentile {low:.2f}")


if __name__ == "__main__":
    main()
