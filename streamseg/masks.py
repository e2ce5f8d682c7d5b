"""Masks of objects, which lie in their boxes, painted into a plane over the whole frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.segmentation import Instances


def draw_masks(plane: NDArray[Any], instances: Instances, frame: tuple[int, int], values: NDArray[Any]) -> None:
    """Fills each object's mask in `plane` (h, w) over the frame with its value, the surest last."""
    rows, columns = plane.shape[0] / frame[0], plane.shape[1] / frame[1]
    for index in np.argsort(instances.scores, kind="stable"):
        left, top, right, bottom = instances.boxes[index] * (columns, rows, columns, rows)
        x0, y0 = max(0, int(left)), max(0, int(top))
        x1, y1 = min(plane.shape[1], int(np.ceil(right))), min(plane.shape[0], int(np.ceil(bottom)))
        if x1 <= x0 or y1 <= y0:
            continue
        mask = instances.masks[index]
        side_y, side_x = mask.shape
        # Where the centre of each pixel of the plane lies in the mask, which covers the box from edge to edge.
        step_x, step_y = side_x / max(right - left, 1e-6), side_y / max(bottom - top, 1e-6)
        matrix = np.array(
            [[step_x, 0, (x0 + 0.5 - left) * step_x - 0.5], [0, step_y, (y0 + 0.5 - top) * step_y - 0.5]], np.float64
        )
        inside = cv2.warpAffine(
            mask, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        plane[y0:y1, x0:x1][inside > 0.5] = values[index]
