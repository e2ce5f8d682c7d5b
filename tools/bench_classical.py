"""Milliseconds a frame of every classical method at 640x480 on one thread, and how near `kmeans` is to its reference.

    python tools/bench_classical.py

Frames are those of the generated scene; the photographs for k-means come with scikit-image. Agreement is the share of
pixels with the same label under the best renaming of clusters, lowest over three seeds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import permutations

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from streamseg.capture import open_source
from streamseg.contracts import Segmenter
from streamseg.frame import Frame, Image
from streamseg.infer.classical import METHODS, load

K = 3
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


def main() -> None:
    cv2.setNumThreads(1)
    frames = list(open_source("test://?frames=60&size=640x480"))
    print(f"{'method':<18} {'ms median':>10} {'ms min':>8}")
    for name in METHODS:
        segment = load(name, {}).make(1)
        some = frames[:6] if name == "kmeans-reference" else frames
        times = [timed(segment, frame) for frame in some][1:]
        print(f"{name:<18} {statistics.median(times):>10.2f} {min(times):>8.2f}")
    print(f"\n{'picture':<18} {'reference with itself':>22} {'kmeans with it':>15}")
    for name in PHOTOGRAPHS:
        image = np.ascontiguousarray(cv2.resize(getattr(data, name)(), (640, 480))[:, :, ::-1])
        references = [clusters("kmeans-reference", image, seed) for seed in range(3)]
        itself = min(agreement(references[0], other) for other in references[1:])
        ours = min(agreement(references[0], clusters("kmeans", image, seed)) for seed in range(3))
        print(f"{name:<18} {itself:>22.2%} {ours:>15.2%}")


def timed(segment: Segmenter, frame: Frame) -> float:
    started_s = time.perf_counter()
    segment([frame])
    return (time.perf_counter() - started_s) * 1e3


def clusters(name: str, image: Image, seed: int) -> NDArray[np.uint8]:
    cv2.setRNGSeed(seed)
    return load(name, {"k": K}).make(1)([Frame(image, 0, 0.0, 0.0)])[0].labels


def agreement(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    counts = np.bincount(a.reshape(-1).astype(int) * K + b.reshape(-1), minlength=K * K).reshape(K, K)
    return float(max(sum(counts[i, p[i]] for i in range(K)) for p in permutations(range(K))) / a.size)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
