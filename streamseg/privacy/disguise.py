"""What lies over what is hidden: a few coarse colours of it are left, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Pixels
from streamseg.yuv import Planes, to_yuv

Parts: TypeAlias = "tuple[NDArray[np.uint8], ...]"
"""A BGR picture alone, or the three planes of a video."""
Disguise: TypeAlias = Callable[[Pixels], Parts]
"""Makes of pixels others of the same shapes, in which nothing is to be recognised."""

CELLS = 8
"""Of the mosaic, along the shorter side of the picture. A face as high as that is 8 cells high: people need about 18
to tell faces apart (Bachmann 1991)."""


def find_disguise(name: str) -> Disguise:
    """`pixels`, `blur`, or a colour's name or `#rrggbb`.

    Raises:
        InputError: it is none of them.
    """
    if name in _MOSAICS:
        return lambda pixels: tuple(_coarse(part, _MOSAICS[name]) for part in parts(pixels))
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError:
        raise InputError(
            f"hide with {name}: neither pixels, blur nor a colour", "a colour is a name as 'black', or '#rrggbb'"
        ) from None
    return _Filled((blue, green, red))


def parts(pixels: Pixels) -> Parts:
    """What a picture consists of; not copied."""
    return (pixels.y, pixels.u, pixels.v) if isinstance(pixels, Planes) else (pixels,)


# A blur that is made of the mosaic holds no more than the mosaic does, whatever is known of it.
_MOSAICS = {"pixels": cv2.INTER_NEAREST, "blur": cv2.INTER_LINEAR}


def _coarse(part: NDArray[np.uint8], enlarging: int) -> NDArray[np.uint8]:
    height, width = part.shape[:2]
    cell = max(1.0, min(height, width) / CELLS)
    size = max(1, round(width / cell)), max(1, round(height / cell))
    half_way = part[: height // 8 * 8, : width // 8 * 8]  # whole blocks of pixels are averaged several times as fast
    if half_way.size:
        part = np.asarray(cv2.resize(half_way, (width // 8, height // 8), interpolation=cv2.INTER_AREA), np.uint8)
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=enlarging), np.uint8)


class _Filled:
    """One colour everywhere; made once for pictures of one kind."""

    def __init__(self, colour: tuple[int, int, int]) -> None:
        self._colour = np.array([[colour]], np.uint8)
        self._kind: tuple[object, ...] = ()
        self._filled: Parts = ()

    def __call__(self, pixels: Pixels) -> Parts:
        """Pictures or planes of the shapes of `pixels`, read-only."""
        kind = pixels.shape, pixels.colours if isinstance(pixels, Planes) else None
        if kind != self._kind:
            self._kind, self._filled = kind, self._made(pixels)
        return self._filled

    def _made(self, pixels: Pixels) -> Parts:
        if not isinstance(pixels, Planes):
            return (np.full(pixels.shape, self._colour[0, 0], np.uint8),)
        yuv = np.asarray(cv2.transform(self._colour, to_yuv(pixels.colours)), np.uint8)[0, 0]
        return tuple(np.full(part.shape, value, np.uint8) for part, value in zip(parts(pixels), yuv, strict=True))
