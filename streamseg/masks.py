"""Masks of objects, which lie in their boxes or in planes over the frame, and are painted into planes."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from streamseg.segmentation import Instances

Size = tuple[int, int]
"""Height, width in pixels."""
_LEAST_PX = 1e-6
_SIDE = 28


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
        side = np.float32(_SIDE)
        found = np.zeros((_SIDE, _SIDE), np.float32)
        window = self.window(np.array([0, 0, side, side]), found.shape, found.shape)
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
        places = (np.arange(self.pixels) * step + ((self.start + 0.5 - first) * step - 0.5)).clip(0, count - 1)
        before = places.astype(np.intp).clip(0, max(count - 2, 0))
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
    height, width = plane.shape
    # Between values and beyond the last ones scores are interpolated: one more on each side decides.
    x0, y0 = max(left - 1, 0), max(top - 1, 0)
    x1, y1 = min(left + wide + 1, width), min(top + high + 1, height)
    shares = np.array([x0 / width, y0 / height, x1 / width, y1 / height])
    part = np.tile(area[:2], 2) + shares * np.tile(area[2:] - area[:2], 2)
    return PlaneMask(box, part.astype(np.float32), plane[y0:y1, x0:x1].copy(), None, threshold, cropped)


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


def draw_masks(plane: NDArray[Any], instances: Instances, frame: Size, values: NDArray[Any]) -> None:
    """Fills each object's mask in `plane` (h, w) over the frame with its value, the surest last."""
    height, width = plane.shape
    for index in np.argsort(instances.scores, kind="stable"):
        window = instances.window(int(index), frame, (height, width))
        window.of(plane)[window.mask] = values[index]
