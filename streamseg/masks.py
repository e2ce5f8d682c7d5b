"""Masks of objects, which lie in their boxes or in planes over the frame."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
"""Height, width in pixels."""
_LEAST_PX = 1e-6
_SIDE = 28


def sampled(plane: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """`plane` (h, w) u8 at another size: of each pixel the value under its middle, so that nothing is shifted."""
    return np.asarray(cv2.resize(plane, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


@dataclass(frozen=True, eq=False)
class PlaneMask:
    """The mask of one object as a plane of scores over the frame, computed where and at which size it is asked for.

    It belongs to the object's box: where that was moved since, the plane goes with it.
    """

    box: NDArray[np.float32]
    """(4,) f32: the object's box when it was found; left, top, right, bottom in pixels of the frame."""
    area: NDArray[np.float32]
    """(4,) f32: what the plane covers, from edge to edge, likewise; may reach beyond the frame."""
    planes: NDArray[np.float32]
    """(h, w) f32 scores; or (k, h, w) prototypes, whose sum weighted by `coefficients` is the plane."""
    coefficients: NDArray[np.float32] | None = None
    """(k,) f32."""
    threshold: float = 0.0
    """Scores above it, interpolated linearly, are the object."""
    cropped: bool = True
    """Whether nothing outside the box counts."""

    @functools.cached_property
    def over_box(self) -> NDArray[np.float32]:
        """(28, 28) f32, 0 or 1, over the inside of the box."""
        return self._over_box(_SIDE)

    @functools.cached_property
    def fine(self) -> NDArray[np.float32]:
        """(56, 56) f32, likewise."""
        return self._over_box(2 * _SIDE)

    def _over_box(self, side: int) -> NDArray[np.float32]:
        found = np.zeros((side, side), np.float32)
        window = self.window(np.array([0, 0, side, side], np.float32), found.shape, found.shape)
        window.of(found)[...] = window.mask
        return found

    def window(self, box: NDArray[np.float32], frame: Size, size: Size) -> Window:
        """The mask of the object, now in `box`, in a plane of `size` over a `frame`; the part that holds all of it."""
        left, top, right, bottom = _onto(box, self.box, self.area, frame, size)
        x0, y0, x1, y1 = _onto(box, self.box, self.box, frame, size) if self.cropped else (left, top, right, bottom)
        columns = _Samples(x0, x1, size[1], left, right, self.planes.shape[-1])
        rows = _Samples(y0, y1, size[0], top, bottom, self.planes.shape[-2])
        if not columns.pixels or not rows.pixels:
            return Window(0, 0, np.zeros((0, 0), bool))
        with np.errstate(all="ignore"):  # some libraries for ARM tell of a division by zero where none is
            if self.coefficients is None:
                part = self.planes[rows.needed, columns.needed]
            else:  # row by row: a window of all planes in one piece would have to be copied
                by_row = self.planes[:, rows.needed, columns.needed].transpose(1, 0, 2)
                part = np.matmul(self.coefficients[None], by_row)[:, 0]
            return Window(rows.start, columns.start, rows.weights @ part @ columns.weights.T > self.threshold)


def _onto(
    box: NDArray[np.float32], before: NDArray[np.float32], area: NDArray[np.float32], frame: Size, size: Size
) -> tuple[float, float, float, float]:
    """Where `area` lies in a plane of `size` over the frame, now that the box that was `before` is `box`."""
    (x, y, right, bottom), (x_before, y_before, right_before, bottom_before) = box.tolist(), before.tolist()
    across = (right - x) / max(right_before - x_before, _LEAST_PX)
    down = (bottom - y) / max(bottom_before - y_before, _LEAST_PX)
    columns, rows = size[1] / frame[1], size[0] / frame[0]
    x0, y0, x1, y1 = area.tolist()
    return (
        (x + (x0 - x_before) * across) * columns,
        (y + (y0 - y_before) * down) * rows,
        (x + (x1 - x_before) * across) * columns,
        (y + (y1 - y_before) * down) * rows,
    )


class _Samples:
    """The pixels of a line from `low` to `high`, and where they fall between `count` values from `first` to `last`."""

    def __init__(self, low: float, high: float, length: int, first: float, last: float, count: int) -> None:
        self.start = max(math.ceil(low), 0)
        self.pixels = max(min(math.ceil(high), length) - self.start, 0)
        if not self.pixels:
            return
        step = count / max(last - first, _LEAST_PX)
        # Beyond the middle of the last value it counts alone.
        places = np.arange(self.pixels) * step
        places += (self.start + 0.5 - first) * step - 0.5
        np.minimum(np.maximum(places, 0, out=places), count - 1, out=places)
        before = places.astype(np.intp)
        np.minimum(before, max(count - 2, 0), out=before)
        self.needed = slice(int(before[0]), min(int(before[-1]) + 2, count))
        share = places - before
        before -= self.needed.start
        self.weights = np.zeros((self.pixels, self.needed.stop - self.needed.start), np.float32)
        """(pixels, needed values) f32."""
        row = np.arange(self.pixels)
        self.weights[row, before] = 1 - share
        if count > 1:
            self.weights[row, before + 1] = share


def plane_mask(
    box: NDArray[np.float32], area: NDArray[np.float32], plane: NDArray[np.float32], threshold: float, *, cropped: bool
) -> PlaneMask:
    """A mask of one `plane` (h, w), of which it keeps a copy of what may be above the threshold and no more."""
    above = (plane > threshold).view(np.uint8)
    left, top, wide, high = cv2.boundingRect(above)
    part, place = _part(area, plane.shape, (left, top, left + wide, top + high))
    return PlaneMask(box, part, plane[place].copy(), None, threshold, cropped)


def number_mask(
    box: NDArray[np.float32], area: NDArray[np.float32], numbers: NDArray[np.int32], number: int, place: Sequence[int]
) -> PlaneMask:
    """A mask of what has this number in (h, w) `numbers`, all of it in `place`: left, top, right, bottom there."""
    part, window = _part(area, numbers.shape, place)
    return PlaneMask(box, part, (numbers[window] == number).astype(np.float32), None, 0.5, cropped=False)


def _part(
    area: NDArray[np.float32], shape: tuple[int, ...], place: Sequence[int]
) -> tuple[NDArray[np.float32], tuple[slice, slice]]:
    """What `place` (left, top, right, bottom) and a pixel around it covers of a plane over `area`, and its slices."""
    height, width = shape[:2]
    left, top, right, bottom = place
    # Between values and beyond the last ones scores are interpolated: one more on each side decides.
    x0, y0, x1, y1 = max(left - 1, 0), max(top - 1, 0), min(right + 1, width), min(bottom + 1, height)
    shares = np.array([x0 / width, y0 / height, x1 / width, y1 / height])
    part = np.tile(area[:2], 2) + shares * np.tile(area[2:] - area[:2], 2)
    return part.astype(np.float32), (slice(y0, y1), slice(x0, x1))


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A mask in the part of a plane where it may be; everywhere else it is not."""

    top: int
    left: int
    mask: NDArray[np.bool_]
    """(h, w) bool."""

    def of(self, plane: NDArray[Any]) -> NDArray[Any]:
        """That part of `plane` (H, W), a view."""
        height, width = self.mask.shape
        return plane[self.top : self.top + height, self.left : self.left + width]


def box_window(mask: NDArray[np.float32], box: NDArray[np.float32], frame: Size, size: Size) -> Window:
    """A `mask` (m, m) of 0..1 over the inside of its `box`, cut at one half, in a plane of `size` over a `frame`."""
    rows, columns = size[0] / frame[0], size[1] / frame[1]
    left, top, right, bottom = box.tolist()  # plain numbers: many small objects a frame are quicker so
    left, top, right, bottom = left * columns, top * rows, right * columns, bottom * rows
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1, y1 = min(size[1], math.ceil(right)), min(size[0], math.ceil(bottom))
    if x1 <= x0 or y1 <= y0:
        return Window(0, 0, np.zeros((0, 0), bool))
    side_y, side_x = mask.shape
    if mask.size == 1:  # of a network that finds boxes alone
        return Window(y0, x0, np.full((y1 - y0, x1 - x0), mask[0, 0] > 0.5))
    # Where the centre of each pixel of the plane lies in the mask, which covers the box from edge to edge.
    step_x, step_y = side_x / max(right - left, _LEAST_PX), side_y / max(bottom - top, _LEAST_PX)
    matrix = np.array(
        [[step_x, 0, (x0 + 0.5 - left) * step_x - 0.5], [0, step_y, (y0 + 0.5 - top) * step_y - 0.5]], np.float64
    )
    inside = cv2.warpAffine(
        mask, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return Window(y0, x0, inside > 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class BoxRuns:
    """The masks of N objects as R runs down the columns of their windows, in that order; empty runs may be among them.

    Of the pixels of `box_window`, but for those whose score is one half to within rounding.
    """

    owner: NDArray[np.int_]
    """(R,): which object."""
    column: NDArray[np.int_]
    """(R,): of the window."""
    start: NDArray[np.int_]
    """(R,): the first row of the window."""
    end: NDArray[np.int_]
    """(R,): the row behind the last."""
    corners: NDArray[np.int_]
    """(N, 2): left and top of each window, in pixels of the frame."""
    sizes: NDArray[np.int_]
    """(N, 2): height and width; 0 where nothing of the box is in the frame."""

    @property
    def areas(self) -> NDArray[np.int_]:
        """(N,): pixels."""
        return np.bincount(self.owner, self.end - self.start, len(self.sizes)).astype(int)


def box_runs(masks: NDArray[np.float32], boxes: NDArray[np.float32], frame: Size) -> BoxRuns:
    """What `box_window` cuts of masks (N, m, m) over boxes (N, 4) in a frame of (height, width), without any picture.

    A mask is interpolated along its own rows alone. Between two of these the score changes evenly, so that where it
    passes one half can be told without looking at any pixel.
    """
    height, width = frame
    count, (rows, columns) = len(masks), masks.shape[1:]
    left, top, right, bottom = boxes.astype(np.float64).T
    x0, y0 = np.maximum(0, left.astype(int)), np.maximum(0, top.astype(int))
    x1, y1 = np.minimum(width, np.ceil(right).astype(int)), np.minimum(height, np.ceil(bottom).astype(int))
    wide = np.where((x1 > x0) & (y1 > y0), x1 - x0, 0)
    step_x, step_y = columns / np.maximum(right - left, _LEAST_PX), rows / np.maximum(bottom - top, _LEAST_PX)
    owner = np.repeat(np.arange(count), wide)
    column = np.arange(len(owner)) - np.repeat(np.cumsum(wide) - wide, wide)
    place = ((column + x0[owner] + 0.5 - left[owner]) * step_x[owner] - 0.5).clip(0, columns - 1)
    before = np.minimum(place.astype(int), max(columns - 2, 0))
    lines = np.ascontiguousarray(masks.transpose(0, 2, 1)).reshape(-1, rows)
    first = owner * columns + before
    scores = lines.take(first, 0)
    after = lines.take(first + min(1, columns - 1), 0)
    scores += (after - scores) * (place - before).astype(np.float32)[:, None]  # (columns of all windows, rows)
    inside = np.zeros((len(owner), rows + 2), bool)  # with a row outside above and below, so that each run has ends
    np.greater(scores, 0.5, out=inside[:, 1:-1])
    flat = inside.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    line, row = np.divmod(edges, rows + 2)
    owner, column = owner[line], column[line]
    above, below = scores[line, np.maximum(row - 1, 0)], scores[line, np.minimum(row, rows - 1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        passed = (row - 1 + (0.5 - above) / (below - above) + 0.5) / step_y[owner] + top[owner] - 0.5
    high = y1 - y0
    passed[row == 0], passed[row == rows] = -1, height  # beyond the middle of the first and last row these count alone
    passed -= y0[owner]
    start = (np.floor(passed[::2]) + 1).clip(0, high[owner[::2]]).astype(int)
    end = np.ceil(passed[1::2]).clip(0, high[owner[1::2]]).astype(int)
    seen = wide > 0
    corners, sizes = np.stack([x0, y0], 1) * seen[:, None], np.stack([high, wide], 1) * seen[:, None]
    return BoxRuns(owner[::2], column[::2], start, np.maximum(start, end), corners, sizes)


def box_overlaps(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, M) f32, 0..1: intersection over union of boxes (N, 4) and (M, 4), each left, top, right, bottom."""
    shared = shared_areas(boxes, others)
    areas, other_areas = (np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (boxes, others))
    return np.asarray(shared / np.maximum(areas[:, None] + other_areas - shared, 1e-6), np.float32)


def shared_areas(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, M) f32: square pixels that lie in both of boxes (N, 4) and (M, 4), each left, top, right, bottom."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.prod(np.maximum(high - low, 0), axis=2), np.float32)
