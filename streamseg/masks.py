"""Masks of objects, which lie in their boxes or in planes over the frame, and are painted into planes."""

from __future__ import annotations

import functools
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
        scale = np.array([size[1] / frame[1], size[0] / frame[0]] * 2)
        growth = np.tile((box[2:] - box[:2]) / np.maximum(self.box[2:] - self.box[:2], _LEAST_PX), 2)
        area = (np.tile(box[:2], 2) + (self.area - np.tile(self.box[:2], 2)) * growth) * scale
        corners = box * scale if self.cropped else self._reach(area)
        low, high = np.maximum(np.ceil(corners[:2]), 0), np.minimum(np.ceil(corners[2:]), (size[1], size[0]))
        x0, y0, x1, y1 = (int(side) for side in (*low, *high))
        if x1 <= x0 or y1 <= y0:
            return Window(0, 0, np.zeros((0, 0), bool))
        columns = _Samples(np.arange(x0, x1), area[0], area[2], self.planes.shape[-1])
        rows = _Samples(np.arange(y0, y1), area[1], area[3], self.planes.shape[-2])
        part = self.planes[..., rows.needed, columns.needed]
        if self.coefficients is not None:
            part = (self.coefficients @ part.reshape(len(part), -1)).reshape(part.shape[1:])
        return Window(y0, x0, rows.weights() @ part @ columns.weights().T > self.threshold)

    def _reach(self, area: NDArray[Any]) -> NDArray[Any]:
        """The part of `area` in which scores may be above the threshold: within one value of those that are."""
        if self.coefficients is not None:
            return area
        left, top, wide, high = cv2.boundingRect((self.planes > self.threshold).view(np.uint8))
        if not wide:
            return np.zeros(4)
        height, width = self.planes.shape
        shares = np.array([left - 1, top - 1, left + wide + 1, top + high + 1]) / (width, height, width, height)
        return np.asarray(np.tile(area[:2], 2) + shares.clip(0, 1) * np.tile(area[2:] - area[:2], 2))


class _Samples:
    """Where the centres of pixels fall between the values of a plane's row or column; at its ends the last counts."""

    def __init__(self, pixels: NDArray[np.int_], start: float, end: float, count: int) -> None:
        places = ((pixels + 0.5 - start) * (count / max(end - start, _LEAST_PX)) - 0.5).clip(0, count - 1)
        self._before = places.astype(int).clip(0, max(count - 2, 0))
        self._share = (places - self._before).astype(np.float32)
        self.needed = slice(int(self._before[0]), min(int(self._before[-1]) + 2, count))

    def weights(self) -> NDArray[np.float32]:
        """(pixels, needed values) f32."""
        found = np.zeros((len(self._before), self.needed.stop - self.needed.start), np.float32)
        row, column = np.arange(len(found)), self._before - self.needed.start
        found[row, column] = 1 - self._share
        if found.shape[1] > 1:
            found[row, column + 1] = self._share
        return found


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
    left, top, right, bottom = box * (columns, rows, columns, rows)
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1, y1 = min(size[1], int(np.ceil(right))), min(size[0], int(np.ceil(bottom)))
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
