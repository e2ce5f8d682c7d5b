"""What each codec of `--codec` makes of pictures on the CPU: size, time of a core, and how near to the source.

python tools/bench_codecs.py FOLDER [FOLDER ...]
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.capture import open_source
from streamseg.contracts import Shown
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Segmentation
from streamseg.sinks.codecs import ENCODINGS
from streamseg.sinks.video import VideoSink
from streamseg.yuv import BT601, Planes, to_i420

MOST = 90  # frames
FPS = 30
NOTHING = Segmentation(np.zeros((1, 1), np.uint8), Classes(("background",), np.zeros((1, 3), np.uint8)), 0, 0.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a film's frames as pictures")
    print("| film | codec | kB | ms of a core a frame | PSNR of the brightness, dB |\n|---|---|---|---|---|")
    for folder in parser.parse_args().folders:
        source = open_source(str(folder))
        frames = [in_planes(frame) for frame, _ in zip(source, range(MOST), strict=False)]
        source.close()
        for codec in ENCODINGS:
            size_kb, core_ms, psnr_db = measure(codec, frames)
            height, width, _ = frames[0].pixels.shape
            film = f"{folder}, {len(frames)} frames of {width}x{height}"
            print(f"| {film} | {codec} | {size_kb:.0f} | {core_ms:.1f} | {psnr_db:.2f} |", flush=True)
    return 0


def in_planes(frame: Frame) -> Frame:
    """With even sides, as decoders and encoders have it."""
    height, width = (side // 2 * 2 for side in frame.image.shape[:2])
    planes = Planes.blank(to_i420(frame.image[:height, :width], BT601), BT601)
    return Frame(planes, frame.index, frame.index / FPS, 0.0)


def measure(codec: str, frames: list[Frame]) -> tuple[float, float, float]:
    """kB, milliseconds of a core a frame, and dB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.mp4")
        started_s = time.process_time()
        sink = VideoSink(str(path), codec=codec)
        for frame in frames:
            sink.write(Shown(frame, NOTHING, frame.pixels, 0, {}))
        sink.close()
        core_s = time.process_time() - started_s
        source = open_source(str(path))
        errors = [
            float(np.mean((luma(one).astype(np.float32) - luma(other)) ** 2))
            for one, other in zip(source, frames, strict=True)
        ]
        source.close()
        psnr_db = 10 * math.log10(255**2 / max(1e-9, float(np.mean(errors))))
        return path.stat().st_size / 1e3, core_s / len(frames) * 1e3, psnr_db


def luma(frame: Frame) -> NDArray[np.uint8]:
    assert frame.planes is not None
    return np.asarray(frame.planes.y)


if __name__ == "__main__":
    sys.exit(main())
