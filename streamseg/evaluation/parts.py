"""Connected parts of a mask compared as objects, as the ISBI 2012 challenge scores membranes.

Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for connectomics", Frontiers in
Neuroanatomy 9 (2015): a gap of one pixel in a membrane that joins two cells costs much, a membrane drawn too thick
costs nothing.
"""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.masks import sampled

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


SURE = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""How sure, 0..1, a pixel of a part has to be; the challenge takes what suits the network best."""


class PartCount:
    """Adds pictures up: how the parts of one class are split and joined, at each of `SURE`."""

    def __init__(self) -> None:
        self._scores: list[list[tuple[float, float]]] = []

    def add(self, true: Mask, found: Mask, sure: NDArray[np.uint8] | None) -> None:
        """Of one picture; `sure` (h, w) is how sure the label of each pixel is, 0..255, None where nobody knows."""
        levels = [found]
        if sure is not None:
            size = found.shape[1], found.shape[0]
            small = sampled(found.view(np.uint8), (sure.shape[0], sure.shape[1]))
            signed = np.where(small > 0, sure, 255 - sure)
            share = np.asarray(cv2.resize(signed.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)) / 255
            levels += [share >= least for least in SURE[1:]]
        self._scores.append([part_scores(true, level) for level in levels])

    def figures(self) -> dict[str, float]:
        """Mean over the pictures: Rand and information score of the labels, and of the level where Rand is best."""
        if not self._scores:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is nan, as it should be
            rand, information = np.nanmean(np.array(self._scores), axis=0).T
        figures = {"rand": float(rand[0]), "information": float(information[0])}
        if len(rand) == 1 or np.isnan(rand).all():
            return figures
        best = int(np.nanargmax(rand))
        return figures | {
            "rand_best": float(rand[best]), "information_best": float(information[best]), "rand_best_at": SURE[best],
        }  # fmt: skip


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
