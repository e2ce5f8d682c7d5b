"""The network that fits carried masks to the picture, and what it is told (tools/train_refit.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg import runtimes
from streamseg.motion.voting import Plane

SIZE = 96, 160
"""Height and width of all that the network sees."""
FILE = Path(__file__).with_name("refit.onnx")
FAULTS = 0.6
"""How much of what it says too much in the mask's own frame is taken off in the others."""


class Network:
    """Opened when it is first asked for; belongs to one thread."""

    def __init__(self, file: Path = FILE) -> None:
        self._file = file
        self._session: Any = None

    @property
    def there(self) -> bool:
        """Whether it can be asked; where it cannot be had, it is not looked for again."""
        if self._session is None:
            try:
                self._session = _session(self._file)
            except Exception:  # whatever a runtime says of a file that it does not like: masks are carried without it
                self._session = False
        return self._session is not False

    def __call__(self, picture: NDArray[np.uint8], mask: Plane, colours: Plane) -> NDArray[np.float32]:
        """(h, w) of `SIZE`: how likely each pixel is the object's, in 255th."""
        seen = inputs(picture, mask, colours)[None]
        return np.asarray(self._session.run(None, {"seen": seen})[0][0, 0] * 255, np.float32)


def _session(file: Path) -> Any:
    ort = runtimes.onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])


def inputs(picture: NDArray[np.uint8], carried: Plane, colours: Plane) -> NDArray[np.uint8]:
    """(5, h, w) of `SIZE`: the picture, the carried mask, and how likely each pixel's colour is the object's."""
    return np.concatenate([picture, carried[None], colours.take(_bins(picture))[None]])


def likely_colours(picture: NDArray[np.uint8], mask: Plane) -> Plane:
    """(4096,) u8: how likely each of 16x16x16 colours is the object's, by histograms of it and of what is around it.

    Around it is the object's box with half of its sides more. Those of 8x8x8 colours count as well: they know colours
    that are near those that were seen.
    """
    top, bottom = _ends(mask.max(axis=1))
    left, right = _ends(mask.max(axis=0))
    high, wide = max(8, (bottom - top) // 2), max(8, (right - left) // 2)
    around = np.s_[max(0, top - high) : bottom + high, max(0, left - wide) : right + wide]
    bins, share = _bins(picture)[around].ravel(), mask[around].ravel() / 255
    counts = [_counted(bins, each) for each in (share, 1 - share)]
    coarse = [count.sum((1, 3, 5), keepdims=True) for count in counts]
    likely = _part(*counts) + _part(*coarse)
    return np.asarray(likely * 127.5, np.uint8).ravel()


def _counted(bins: NDArray[np.intp], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.bincount(bins, weights, 16**3), np.float64).reshape(8, 2, 8, 2, 8, 2)


def _part(thing: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    return (thing + 0.25) / (thing + rest + 0.5)


def _bins(picture: NDArray[np.uint8]) -> NDArray[np.intp]:
    y, blue, red = np.asarray(picture >> 4, np.intp)
    return np.asarray(y * 256 + blue * 16 + red)


def _ends(there: Plane) -> tuple[int, int]:
    """The first place that is mostly the object's, and the one behind the last."""
    places = np.flatnonzero(there > 64)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, len(there))
