"""Pairs of what the network sees and the true mask, of drawn scenes: for tools/train_refit.py.

The mask of a scene's first frame, or of its first and last, is carried by streamseg itself, so that its errors are
real. Of half of the scenes it is fitted on the way by a network that was there before, as live, so that what is to be
fitted was fitted before.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from refit_layers import FRAMES
from refit_scenes import Scenes

from streamseg import runtimes
from streamseg.frame import Frame
from streamseg.motion import Effort
from streamseg.motion.propagator import FlowPropagator
from streamseg.motion.refit import Refit, soft
from streamseg.motion.refit_network import MASK, Network
from streamseg.motion.refit_objects import RefitObjects
from streamseg.segmentation import Classes, Segmentation

OBJECT = Classes(("background", "object"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), background=0)
BLOCK = 1000
_ASKED = 4  # frames of a scene
_LEAST = 0.004  # of the picture
Bytes = NDArray[np.uint8]


def pairs(data: Path, work: Path, count: int, seed: int, before: Path, processes: int) -> list[Bytes]:
    """`count` / 1000 blocks, (1000, 7, h, w): the six planes that the network sees, and the true mask.

    The same seed and network `before` give the same pairs, however many processes make them.
    """
    files = [work / f"pairs-{seed}-{block}.npy" for block in range(count // BLOCK)]
    missing = [block for block, file in enumerate(files) if not file.exists()]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        kept = zip(missing, repeat(data), repeat(work), repeat(seed), repeat(before), strict=False)
        for file in pool.map(_block, kept):
            print(file, flush=True)
    return [np.asarray(np.load(file, mmap_mode="r"), np.uint8) for file in files]


def _block(what: tuple[int, Path, Path, int, Path]) -> Path:
    block, data, work, seed, before = what
    cv2.setNumThreads(1)
    scenes, random = Scenes(data, seed * 10_000 + block), np.random.default_rng((seed, block))
    network, made = _Recorder(before), list[Bytes]()
    while len(made) < BLOCK:
        made += carried(*scenes(), random, network)
    file = work / f"pairs-{seed}-{block}.npy"
    begun = file.with_suffix(".begun.npy")
    np.save(begun, np.stack(made[:BLOCK]))
    return begun.rename(file)


class _Recorder(Network):
    """Keeps what it is shown, and says what another network does, or of each mask that it fits."""

    there = True

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        options = runtimes.onnxruntime().SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = runtimes.onnxruntime().InferenceSession(str(file), options)
        planes = self._session.get_inputs()[0].shape[1]
        self._planes = planes if isinstance(planes, int) else None
        """That networks take which shipped before; None: it takes what `Network` gives it."""
        self.fits = True
        self.seen: Bytes | None = None

    def __call__(self, seen: Bytes, passes: int = 1) -> Bytes:
        self.seen = seen.copy()
        return super().__call__(seen, passes) if self.fits else seen[MASK]

    def _asked(self, pixels: Bytes) -> Bytes:
        if self._planes is None:
            return super()._asked(pixels)
        seen = np.ascontiguousarray(pixels[..., : self._planes].transpose(2, 0, 1)[None])
        return np.asarray(np.rint(self._session.run(None, {"seen": seen})[0][0, 0] * 255), np.uint8)


def carried(images: list[Bytes], masks: list[Bytes], random: np.random.Generator, network: _Recorder) -> list[Bytes]:
    """Pairs of some frames."""
    effort: Effort = "fine" if random.random() < 0.6 else "usual"
    propagator = FlowPropagator(steady=False, effort=effort)
    fits = Refit(network, whole=True)
    propagator._refit = fits, RefitObjects(network)
    frames = [Frame(image, at, at / 24, at / 24) for at, image in enumerate(images)]
    first = Segmentation(masks[0], OBJECT, 0, 0.0, None)
    asked, way = set(random.choice(np.arange(1, FRAMES), _ASKED, replace=False).tolist()), random.random()
    if way < 0.15:
        return _between(propagator, frames[: int(random.integers(4, 8))], masks, fits, network)
    network.fits = way < 0.55
    made = []
    for frame in frames:
        propagator.observe(frame)
        network.seen = None
        if frame.index and (network.fits or frame.index in asked):
            propagator.carry(first)
        if frame.index in asked:
            made += _pair(fits, network, masks[frame.index])
    return made


def _between(
    propagator: FlowPropagator, frames: list[Frame], masks: list[Bytes], fits: Refit, network: _Recorder
) -> list[Bytes]:
    """Pairs of the frames between the first and the last, carried from both sides."""
    network.fits, last = False, len(frames) - 1
    for frame in frames:
        propagator.observe(frame)
    ends = [Segmentation(masks[at], OBJECT, at, at / 24, None) for at in (0, last)]
    filled, made = propagator.between(frames[1:last], *ends), []
    for frame in frames[1:last]:
        network.seen = None
        next(filled)
        made += _pair(fits, network, masks[frame.index])
    return made


def _pair(fits: Refit, network: _Recorder, true: Bytes) -> list[Bytes]:
    if network.seen is None or fits._last is None or true.mean() < _LEAST:
        return []
    return [np.concatenate([network.seen, soft(true, 1)[None]])]
