"""Connected parts of a mask compared as objects, as the ISBI 2012 challenge scores membranes.

Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for connectomics", Frontiers in
Neuroanatomy 9 (2015): a gap of one pixel in a membrane that joins two cells costs much, a membrane drawn too thick
costs nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def part_scores(true: Mask, found: Mask) -> tuple[float, float]:
    """Rand and information score, each 0..1, of (H, W) masks of what lies between the borders.

    Borders found are thinned to nothing first, each of their pixels going to the part that is nearest; only pixels
    of true parts are judged. Both scores weigh splits and merges alike. nan where there is no true part.
    """
    if not true.any():
        return float("nan"), float("nan")
    pairs = np.stack([_parts(true)[true], _thinned(found)[true]])
    _, counts = np.unique(pairs, axis=1, return_counts=True)
    both = counts / counts.sum()
    mine, theirs = (_shares(line) for line in pairs)
    rand = 2 * np.sum(both**2) / (np.sum(mine**2) + np.sum(theirs**2))
    shared = _entropy(mine) + _entropy(theirs) - _entropy(both)
    either = _entropy(mine) + _entropy(theirs)
    return float(rand), float(2 * shared / either) if either > 0 else 1.0


def _parts(mask: Mask) -> NDArray[np.int32]:
    """The number of each pixel's part, from 1; parts that touch only at a corner are two."""
    return np.asarray(cv2.connectedComponents(mask.view(np.uint8), connectivity=4)[1], np.int32)


def _thinned(mask: Mask) -> NDArray[np.int32]:
    parts = _parts(mask)
    if mask.all() or not mask.any():
        return parts
    borders = (~mask).view(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(borders, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    number = np.zeros(int(nearest.max()) + 1, np.int32)
    number[nearest[mask]] = parts[mask]
    return np.asarray(number[nearest])


def _shares(numbers: NDArray[np.int32]) -> NDArray[np.float64]:
    _, counts = np.unique(numbers, return_counts=True)
    return np.asarray(counts / counts.sum())


def _entropy(shares: NDArray[np.float64]) -> float:
    return float(-np.sum(shares * np.log2(shares)))
