"""Which colours an object has, and which what is around it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.infer.follow.closeup import Colours, Plane

_BINS = 12
_SHAPE = (_BINS,) * 3
_LEAST = 3e-5  # share of a colour that was never seen
_SOFTEN = np.array([0.25, 0.5, 0.25])

Odds = NDArray[np.float32]
"""(2, 12, 12, 12) f32: the share of each colour in the object, and in what is around it."""


def histograms(look: Colours, mask: NDArray[np.bool_], around: NDArray[np.bool_]) -> Odds:
    """Of the pixels in `mask`, and of those only in `around`."""
    index = _index(look)
    return np.stack([_histogram(index[mask]), _histogram(index[around & ~mask])])


def log_odds(odds: Odds, look: Colours) -> Plane:
    """For the object, by each pixel's colour alone: (h, w) f32, natural logarithm."""
    table = np.log((odds[0] + _LEAST) / (odds[1] + _LEAST)).reshape(-1)
    return np.asarray(table[_index(look)], np.float32)


def _index(look: Colours) -> NDArray[np.intp]:
    y, u, v = (look[..., i].astype(np.intp) * _BINS >> 8 for i in range(3))
    return np.asarray((y * _BINS + u) * _BINS + v, np.intp)


def _histogram(index: NDArray[np.intp]) -> NDArray[np.float32]:
    counts = np.bincount(index, minlength=_BINS**3).astype(np.float32)
    return np.asarray(_softened(counts.reshape(_SHAPE)) / max(1, len(index)), np.float32)


def _softened(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """A little of each colour for those next to it."""
    for axis in range(3):
        flat = np.moveaxis(counts, axis, 0).reshape(_BINS, -1)
        blurred = cv2.sepFilter2D(flat, -1, np.ones(1), _SOFTEN, borderType=cv2.BORDER_CONSTANT)
        counts = np.moveaxis(np.asarray(blurred, np.float32).reshape(_SHAPE), 0, axis)
    return counts
