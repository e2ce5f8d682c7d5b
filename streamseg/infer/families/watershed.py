"""Objects that touch, out of three maps: where there is one, where two touch, how deep inside one a pixel lies.

What lies deep is flooded outwards, step by step, until the waters of two objects meet.
Beucher and Meyer, "The morphological approach to segmentation: the watershed transformation", 1993.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.infer.families.contract import Defaults, Limits, Objects, Recognised, Seen
from streamseg.infer.model.tensors import Tensor

_THERE = 0.6
"""Of the first map: from where on a pixel is part of an object."""
_SEED = 0.3
"""How deep, less `_BORDER` times the second map, the seed of an object lies; each connected part is one."""
_BORDER = 0.5
_STEP = 0.1
_LEAST_SEED, _LEAST = 20, 30  # pixels of the maps
_BYTE = 255
_CROSS, _SQUARE = (cv2.getStructuringElement(shape, (3, 3)) for shape in (cv2.MORPH_CROSS, cv2.MORPH_RECT))


class Watershed:
    """Maps of 0..1, or of 0..255 in bytes, over the whole picture; the objects are all of class 1."""

    name = "watershed"
    title = "a U-Net for objects that touch: maps of objects, borders and depth"
    roles: tuple[str, ...] = ("maps",)
    least: Mapping[str, tuple[int, int]] = {}
    defaults = Defaults("imagenet", least_score=0.5, most=4096, background_first=True)

    def recognise(self, seen: Seen) -> Recognised | None:
        """By its output, where it is what is wanted: three classes have the same shape."""
        if seen.wanted != self.name or len(seen.outputs) != 1:
            return None
        ((name, shape),) = seen.outputs.items()
        return Recognised(self.name, {"maps": name}, 2) if len(shape) == 4 and shape[1] == 3 else None

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """Scores are the mean of the first map inside of each object."""
        maps = outputs["maps"].astype(np.float32)
        if outputs["maps"].dtype == np.uint8:
            maps /= _BYTE
        there, border, depth = maps
        numbers = flood(there > _THERE, depth - _BORDER * border)
        areas = np.bincount(numbers.reshape(-1))
        scores = np.bincount(numbers.reshape(-1), there.reshape(-1)) / np.maximum(areas, 1)
        kept = np.flatnonzero((areas >= _LEAST) & (scores >= limits.least_score) & (np.arange(len(areas)) > 0))
        kept = kept[np.argsort(-scores[kept], kind="stable")][: limits.most]
        table = np.zeros(len(areas), np.int32)
        table[kept] = np.arange(1, len(kept) + 1)
        numbers = _at(size, table[numbers], numbers == 0, there)
        per_pixel = np.array([size[1] / numbers.shape[1], size[0] / numbers.shape[0]] * 2)
        return Objects(
            (_boxes(numbers, len(kept)) * per_pixel).astype(np.float32),
            scores[kept].astype(np.float32),
            np.ones(len(kept), np.int32),
            numbers=numbers,
        )


def flood(there: NDArray[np.bool_], height: NDArray[np.float32]) -> NDArray[np.int32]:
    """(h, w) i32: which object, from 1, each pixel belongs to that is `there`; 0 where none is.

    Seeds are the connected parts above `_SEED`; a part of what is there without a seed is one object.
    """
    seeds = (there & (height > _SEED)).view(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(seeds, connectivity=4)
    large = stats[:, 4] >= _LEAST_SEED
    large[0] = False
    numbers: NDArray[np.int32] = np.where(large, np.cumsum(large), 0).astype(np.int32)[parts]
    for level in (*np.arange(_SEED - _STEP, -_BORDER, -_STEP), -np.inf):
        _spread(numbers, there & (height > level))
    rest, parts = cv2.connectedComponents((there & (numbers == 0)).view(np.uint8), connectivity=4)
    if rest > 1:
        numbers[parts > 0] = parts[parts > 0] + numbers.max()
    return numbers


def _at(
    size: tuple[int, int], numbers: NDArray[np.int32], free: NDArray[np.bool_], there: NDArray[np.float32]
) -> NDArray[np.int32]:
    """The objects at a larger `size`; their outer border is that of the map `there` seen closer, without its steps."""
    if size[0] <= there.shape[0]:
        return numbers
    large, plain = size[::-1], numbers.astype(np.float32)
    around = np.where(free, cv2.dilate(plain, _SQUARE), plain)
    inside = cv2.resize(there, large, interpolation=cv2.INTER_LINEAR) > _THERE
    return np.where(inside, cv2.resize(around, large, interpolation=cv2.INTER_NEAREST), 0).astype(np.int32)


def _spread(numbers: NDArray[np.int32], to: NDArray[np.bool_]) -> None:
    """Lets the objects grow into what is free of `to`, a pixel at a time, all at once."""
    for number in itertools.count():  # a cross and a square in turn make an octagon, near enough to a circle
        free = to & (numbers == 0)
        grown = cv2.dilate(numbers.astype(np.float32), (_CROSS, _SQUARE)[number % 2])
        reached = free & (grown > 0)
        if not reached.any():
            return
        numbers[reached] = grown[reached]


def _boxes(numbers: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """(count, 4): left, top, right, bottom of each, edges of pixels."""
    y, x = np.nonzero(numbers)
    order = np.argsort(numbers[y, x], kind="stable")
    starts = np.searchsorted(numbers[y, x][order], np.arange(1, count + 1))
    if not count:
        return np.zeros((0, 4), np.int64)
    low = [np.minimum.reduceat(each[order], starts) for each in (x, y)]
    high = [np.maximum.reduceat(each[order], starts) + 1 for each in (x, y)]
    return np.stack([*low, *high], 1)
