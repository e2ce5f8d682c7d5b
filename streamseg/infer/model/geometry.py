"""How a frame lies in a network's input: letterboxed, stretched or cropped, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamseg.infer.model.spec import MAX_SIDE_PX, FitKind, InputSpec
from streamseg.masks import sampled

_COARSEST = 64  # input pixels a label may cover along a side: beyond that it is no picture any more
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Rect:
    """A part of a picture, in pixels."""

    x: int
    y: int
    width: int
    height: int

    def of(self, image: NDArray[_Number]) -> NDArray[_Number]:
        """That part of `image` (H, W, ...), a view."""
        part: NDArray[_Number] = image[self.y : self.y + self.height, self.x : self.x + self.width]
        return part


@dataclass(frozen=True, slots=True)
class Fit:
    """Which part of a frame lies where in the network's input."""

    frame: tuple[int, int]
    """Height, width of the frame."""
    size: tuple[int, int]
    """Height, width of the network's input."""
    source: Rect
    """What the network sees of the frame."""
    target: Rect
    """Where that lies in the input; the rest is padding."""

    def seen_in(self, size: tuple[int, int]) -> Rect:
        """Where what the network sees of the frame lies in a plane of (height, width) `size` over its input."""
        return _scaled(self.target, size[0] / self.size[0], size[1] / self.size[1])

    def undo(self, plane: NDArray[np.uint8], outside: int) -> NDArray[np.uint8]:
        """`plane` (h, w) over the network's input, at any resolution, as a fresh plane over exactly the frame.

        Padding is cut off; what the network did not see of the frame becomes `outside`.
        """
        seen = self.seen_in((plane.shape[0], plane.shape[1])).of(plane)
        height, width = self.frame
        parts = self.source.height, self.source.width
        if parts == (height, width):
            return np.array(seen)
        # Of a strip so little may be seen that the whole of it, at that resolution, would have no end.
        rows, columns = (
            min(n / part, max(MAX_SIDE_PX / side, 1))
            for n, part, side in zip(seen.shape, parts, self.frame, strict=True)
        )
        size = max(1, round(parts[0] * rows)), max(1, round(parts[1] * columns))
        seen = seen if size == seen.shape else sampled(seen, size)
        whole = np.full((round(height * rows), round(width * columns)), outside, np.uint8)
        y = min(round(self.source.y * rows), whole.shape[0] - seen.shape[0])
        x = min(round(self.source.x * columns), whole.shape[1] - seen.shape[1])
        whole[y : y + seen.shape[0], x : x + seen.shape[1]] = seen
        return whole


def make_fit(kind: FitKind, frame: tuple[int, int], size: tuple[int, int], cell: int = 1) -> Fit:
    """Fits a frame of (height, width) into an input of (height, width).

    `cell` is how many pixels of the input one pixel of the output covers: padding ends between two of those, so that
    none of them is part frame, part padding.
    """
    (height, width), (rows, columns) = frame, size
    source, target = Rect(0, 0, width, height), Rect(0, 0, columns, rows)
    if kind == "letterbox":
        scale = min(columns / width, rows / height)
        across, down = (cell if side % cell == 0 else 1 for side in (columns, rows))
        x, wide = _centred(_multiple(width * scale, across), columns, across)
        y, high = _centred(_multiple(height * scale, down), rows, down)
        target = Rect(x, y, wide, high)
    elif kind == "crop":
        scale = max(columns / width, rows / height)
        x, wide = _centred(max(_multiple(columns / scale), min(2, width)), width)  # a colour of video covers two
        y, high = _centred(max(_multiple(rows / scale), min(2, height)), height)
        source = Rect(x, y, wide, high)
    return Fit(frame, size, source, target)


def input_size(spec: InputSpec, frame: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
    """Height, width to bring a frame of (height, width) to: the spec's, and by the frame's aspect where it is free.

    Where both are free they are multiplied by `scale`.
    """
    height, width = spec.height, spec.width
    if height is None and width is None:
        scale *= min(max(spec.side, *frame), spec.largest or spec.side) / max(frame)
    else:
        scale = height / frame[0] if height is not None else (width or 0) / frame[1]
    most = MAX_SIDE_PX // spec.stride * spec.stride  # of a strip, where one side is fixed
    return (
        height or min(_multiple(frame[0] * scale, spec.stride), most),
        width or min(_multiple(frame[1] * scale, spec.stride), most),
    )


def sized(spec: InputSpec, shape: Sequence[int | None] | None) -> InputSpec:
    """`spec` with the sides that the graph fixes, whose input has this shape; None: not even its rank is known."""
    if shape is None or len(shape) != 4:
        return spec
    height, width = spec.sides(shape)
    return msgspec.structs.replace(spec, height=spec.height or height, width=spec.width or width)


def misfit(sides: tuple[int, int], size: tuple[int, int]) -> float | None:
    """How many pixels `sides` are off the proportions of `size`, both (height, width); None where that is too much.

    Labels over a picture keep them, but for the pixel of a side that rounding costs, and for 64 px of it at most.
    """
    (rows, columns), (height, width) = sides, size
    if min(rows * _COARSEST - height, columns * _COARSEST - width) < 0 or 1 in sides and 1 not in size:
        return None
    off = min(abs(rows - columns * height / width), abs(columns - rows * width / height))
    return abs(rows / height - columns / width) * max(height, width) if off <= 1 else None


def covers(side: int, full: int) -> bool:
    """Whether a side of an output lies over the whole `full` side of the input, as far as its length tells.

    Each halving may round up or down, and what was rounded up be enlarged again. A side that is otherwise shorter, such
    as U-Net's 388 of 572, is the middle alone: its convolutions were not padded (Ronneberger et al., MICCAI 2015).
    """
    stride = round(full / side)
    if side % full == 0 or side == full - 1 or (stride > 1 and side in (full // stride, -(-full // stride))):
        return True
    halvings = range(1, _COARSEST.bit_length())
    if any(abs(side - full / 2**n) < 2 for n in halvings):
        return True
    rounded = ((each, coarse) for coarse in halvings for each in (full >> coarse, -(-full >> coarse)))
    return any(side == each << times for each, coarse in rounded for times in range(1, coarse + 1))


def _centred(length: int, room: int, cell: int = 1) -> tuple[int, int]:
    """Where `length` begins in the middle of `room`, at a multiple of `cell`; and `length` itself."""
    return (room - length) // 2 // cell * cell, length


def _scaled(rect: Rect, rows: float, columns: float) -> Rect:
    top, left = round(rect.y * rows), round(rect.x * columns)
    bottom, right = round((rect.y + rect.height) * rows), round((rect.x + rect.width) * columns)
    return Rect(left, top, max(1, right - left), max(1, bottom - top))


def _multiple(length: float, stride: int = 1) -> int:
    return max(1, round(length / stride)) * stride
