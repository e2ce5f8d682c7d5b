"""k-means over colours: as in OpenCV's example, and the same result at video rate."""

from __future__ import annotations

from typing import Annotated

import cv2
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from streamseg.contracts import Segmenter
from streamseg.frame import Image
from streamseg.infer.classical.method import Labels, PerFrame, shrink
from streamseg.infer.model.palette import default_colours
from streamseg.segmentation import Classes

Centres = NDArray[np.float32]

_CRITERIA = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.2)
_ATTEMPTS = 10
_SAMPLE = 4800  # pixels that a cold fit looks at, as many as an 80x60 picture has
_REFINE = 19_200  # pixels that centres are refined on
_LONGEST_PX = 640
_STEPS = 50
_STILL = 0.05  # a centre that moves less, in grey levels, has arrived
_WORSE = 1.3  # a warm fit this much worse than the last cold one is a new scene


class KMeans(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`k` colours that each frame is made of."""

    k: Annotated[int, Meta(ge=2, le=16)] = 3


def cluster_classes(settings: KMeans) -> Classes:
    """`k` clusters, darkest first; none is background."""
    return Classes(tuple(f"cluster {n}" for n in range(1, settings.k + 1)), default_colours(settings.k, None))


def kmeans_reference(settings: KMeans) -> Segmenter:
    """A segmenter that fits every pixel of every frame from ten random starts; takes a third of a second a frame."""

    def find(image: Image) -> Labels:
        pixels = image.reshape(-1, 3).astype(np.float32)
        labels, centres = _fit(pixels, settings.k)
        rank = np.argsort(np.argsort(centres.sum(1), kind="stable"), kind="stable").astype(np.uint8)
        return np.asarray(rank[labels[: len(pixels)].reshape(image.shape[:2])], np.uint8)

    return PerFrame(cluster_classes(settings), find)


def kmeans(settings: KMeans) -> Segmenter:
    """A segmenter with the reference's result at a hundredth of its time, and with labels that stay what they are.

    The first frame is fitted from ten random starts on a sample of its pixels, then refined by Lloyd's steps on a
    larger one. Every later frame starts from the centres of the one before, so a cluster keeps its number.
    """
    return PerFrame(cluster_classes(settings), _Clusters(settings.k))


class _Clusters:
    def __init__(self, k: int) -> None:
        self._k = k
        self._centres: Centres | None = None
        self._spread = 0.0  # of the last cold fit: mean squared distance to the nearest centre

    def __call__(self, image: Image) -> Labels:
        pixels = _sample(image, _REFINE)
        if self._centres is None:
            self._centres, self._spread = _cold(pixels, self._k)
        else:
            warm, spread = _refine(pixels, self._centres)
            if spread > self._spread * _WORSE + 1:
                warm, self._spread = _cold(pixels, self._k)
                warm = _in_order_of(self._centres, warm)
            self._centres = warm
        labels, _ = _nearest(shrink(image, _LONGEST_PX), self._centres)
        return labels


def _sample(image: Image, count: int) -> Image:
    """About `count` pixels on a grid, unmixed: an average would be a colour that the frame does not have."""
    height, width = image.shape[:2]
    step = max(1, int((height * width / count) ** 0.5))
    top, left = min(step, height) // 2, min(step, width) // 2  # a line is shorter than a step
    return np.ascontiguousarray(image[top::step, left::step]) if step > 1 else image


def _cold(pixels: Image, k: int) -> tuple[Centres, float]:
    """Centres, darkest first, and their spread."""
    few = _sample(pixels, _SAMPLE).reshape(-1, 3).astype(np.float32)
    _, centres = _fit(few, k)
    return _refine(pixels, centres[np.argsort(centres.sum(1), kind="stable")])


def _fit(pixels: Centres, k: int) -> tuple[NDArray[np.int32], Centres]:
    """OpenCV's k-means; fewer pixels than clusters are told it several times."""
    if len(pixels) < k:
        pixels = np.resize(pixels, (k, 3))
    _, labels, centres = cv2.kmeans(pixels, k, None, _CRITERIA, _ATTEMPTS, cv2.KMEANS_RANDOM_CENTERS)  # type: ignore[call-overload]
    return np.asarray(labels, np.int32), np.asarray(centres, np.float32)


def _refine(pixels: Image, centres: Centres) -> tuple[Centres, float]:
    """Lloyd's steps (1982) from `centres` until they stand still."""
    for _ in range(_STEPS):
        labels, distance = _nearest(pixels, centres)
        moved = centres.copy()
        for number in range(len(centres)):
            mask = (labels == number).view(np.uint8)
            if cv2.countNonZero(mask):
                moved[number] = cv2.mean(pixels, mask)[:3]
        still = float(np.abs(moved - centres).max()) < _STILL
        centres = moved
        if still:
            break
    return centres, distance


def _nearest(image: Image, centres: Centres) -> tuple[Labels, float]:
    """Number of the nearest centre for every pixel, and the mean squared distance to it.

    The squared distance is |x|^2 - 2 x.c + |c|^2, whose first part is the same for all: one matrix product gives the
    rest for every centre, and the smallest is found plane by plane without leaving OpenCV.
    """
    floats = image.astype(np.float32)
    weights = np.concatenate([-2 * centres, (centres**2).sum(1, keepdims=True)], axis=1).astype(np.float32)
    planes = cv2.split(cv2.transform(floats, weights))
    best, labels = planes[0], np.zeros(image.shape[:2], np.uint8)
    for number, plane in enumerate(planes[1:], 1):
        labels[plane < best] = number
        best = cv2.min(best, plane)
    mean = (float(cv2.sumElems(best)[0]) + float(np.vdot(floats, floats))) / labels.size
    return labels, max(0.0, mean)


def _in_order_of(old: Centres, new: Centres) -> Centres:
    """`new` with each centre in the place of the nearest in `old`, closest pairs first."""
    distance = np.linalg.norm(old[:, None] - new[None], axis=2)
    ordered = np.empty_like(new)
    for _ in range(len(old)):
        place, one = np.unravel_index(int(distance.argmin()), distance.shape)
        ordered[place] = new[one]
        distance[place], distance[:, one] = np.inf, np.inf
    return ordered
