"""Large pictures in overlapping tiles, each seen as large as the network was trained to see things."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer.instances import paint
from streamseg.infer.joining import join
from streamseg.segmentation import Segmentation

_OVERLAP = 0.25
"""Of a tile's side: an object up to that size is seen whole by one of two neighbours."""
_WORTH_IT = 1.25
"""Pictures up to so many times the network's own side are seen as a whole."""
_MOST = 64
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a frame, in pixels; and what of it counts, up to the middle of the overlaps."""

    top: int
    left: int
    height: int
    width: int
    own: tuple[int, int, int, int]
    """Top, left, bottom, right."""


def tiled(recipe: SegmenterFactory, wanted: int | Literal["auto"]) -> SegmenterFactory:
    """`recipe` that looks at tiles: so many along the longer side, or as many as its network's own side asks for.

    Raises:
        InputError: it is no network, or remembers frames.
    """
    if recipe.side is None or not recipe.parallel:
        raise InputError(f"--tiles: {recipe.name} is not one network that sees one picture at a time", "leave it out")
    side = recipe.side

    def make(inner: Callable[[int], Segmenter]) -> Callable[[int], Segmenter]:
        return lambda threads: _Tiled(inner(threads), side, wanted)

    tuned = {goal: replace(each, make=make(each.make)) for goal, each in recipe.tuned.items()}
    return replace(recipe, make=make(recipe.make), batch=1, tuned=tuned)


def lay(height: int, width: int, side: float) -> list[Tile]:
    """Tiles of about `side` that cover a frame, overlapping by a quarter; at most 64, larger where that needs more."""
    while True:
        length = min(max(height, width), math.ceil(side))  # shorter ones might be one more
        rows, columns = _starts(height, length), _starts(width, length)
        if len(rows) * len(columns) <= _MOST:
            break
        side *= 1.1
    high, wide = min(height, length), min(width, length)
    borders = [_own(rows, high, height), _own(columns, wide, width)]
    return [
        Tile(top, left, high, wide, (borders[0][i][0], borders[1][j][0], borders[0][i][1], borders[1][j][1]))
        for (i, top), (j, left) in itertools.product(enumerate(rows), enumerate(columns))
    ]


def _starts(whole: int, length: int) -> list[int]:
    if whole <= length:
        return [0]
    overlap = length * _OVERLAP
    count = max(2, math.ceil((whole - overlap) / (length - overlap)))
    return [round(each) for each in np.linspace(0, whole - length, count)]


def _own(starts: list[int], length: int, whole: int) -> list[tuple[int, int]]:
    between = [(before + length + after) // 2 for before, after in itertools.pairwise(starts)]
    return list(zip([0, *between], [*between, whole], strict=True))


class _Tiled:
    """A segmenter that cuts frames up for another one."""

    scale = 1.0

    def __init__(self, segmenter: Segmenter, side: int, wanted: int | Literal["auto"]) -> None:
        self._segmenter, self._side, self._wanted = segmenter, side, wanted
        self.classes = segmenter.classes

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [self._one(frame) for frame in frames]

    def close(self) -> None:
        self._segmenter.close()

    def _one(self, frame: Frame) -> Segmentation:
        longest = max(frame.height, frame.width)
        side = float(self._side)
        if self._wanted != "auto":
            side = longest / (self._wanted - (self._wanted - 1) * _OVERLAP)
        elif longest <= _WORTH_IT * side:
            side = longest
        tiles = lay(frame.height, frame.width, side)
        if len(tiles) == 1:
            return self._segmenter([frame])[0]
        parts: list[Segmentation] = []
        for start in range(0, len(tiles), _AT_ONCE):
            parts += self._segmenter([_cut(frame, tile) for tile in tiles[start : start + _AT_ONCE]])
        return _joined(frame, tiles, parts)


def _cut(frame: Frame, tile: Tile) -> Frame:
    part = frame.image[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
    return Frame(np.array(part), frame.index, frame.time_s, frame.arrived_s)


def _joined(frame: Frame, tiles: Sequence[Tile], parts: Sequence[Segmentation]) -> Segmentation:
    first = parts[0]
    scale = first.labels.shape[0] / tiles[0].height, first.labels.shape[1] / tiles[0].width
    size = max(1, round(frame.height * scale[0])), max(1, round(frame.width * scale[1]))
    if first.instances is not None:
        corners = [(tile.left, tile.top, tile.left + tile.width, tile.top + tile.height) for tile in tiles]
        objects = [each.instances for each in parts if each.instances is not None]
        instances = join(objects, corners, (frame.height, frame.width))
        labels = paint(instances, (frame.height, frame.width), size, first.classes.background or 0)
        return Segmentation(labels, first.classes, frame.index, frame.time_s, None, instances)
    labels = _patched(frame, tiles, [part.labels for part in parts], size)
    sure = None
    if first.confidence is not None:
        sure = _patched(frame, tiles, [part.confidence for part in parts if part.confidence is not None], size)
    return Segmentation(labels, first.classes, frame.index, frame.time_s, sure)


def _patched(
    frame: Frame, tiles: Sequence[Tile], planes: Sequence[NDArray[np.uint8]], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """One plane (h, w) of `size` over the frame, each part of it from the tile that it belongs to."""
    whole = np.empty(size, np.uint8)
    rows, columns = size[0] / frame.height, size[1] / frame.width
    for tile, plane in zip(tiles, planes, strict=True):
        top, left, bottom, right = (
            round(each * per) for each, per in zip(tile.own, (rows, columns, rows, columns), strict=True)
        )
        y = ((np.arange(top, bottom) + 0.5) / rows - tile.top) * plane.shape[0] / tile.height
        x = ((np.arange(left, right) + 0.5) / columns - tile.left) * plane.shape[1] / tile.width
        inside = [each.astype(int).clip(0, side - 1) for each, side in zip((y, x), plane.shape, strict=True)]
        whole[top:bottom, left:right] = plane[np.ix_(*inside)]
    return whole
