"""Objects out of a network's boxes and box masks, and labels painted from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.infer.model.geometry import Fit
from streamseg.masks import draw_masks
from streamseg.segmentation import Instances


def read_instances(
    boxes: NDArray[Any],
    scores: NDArray[Any],
    class_ids: NDArray[Any],
    masks: NDArray[Any],
    fit: Fit,
    least: float,
    n_classes: int,
) -> Instances:
    """The objects of one picture that score `least` (0..1) or more, best first, in pixels of the frame.

    Takes what the network gives: (K, 4) boxes in pixels of its input, (K,) scores, (K,) ids and (K, m, m) masks.
    What is no box, and ids that are none of the classes, are left out.
    """
    sound = (scores >= least) & (class_ids >= 0) & (class_ids < n_classes) & np.isfinite(boxes).all(1)
    kept = np.flatnonzero(sound)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    source, target = fit.source, fit.target
    scale = np.array([source.width / target.width, source.height / target.height] * 2, np.float32)
    moved = (boxes[kept] - np.array([target.x, target.y] * 2, np.float32)) * scale
    moved += np.array([source.x, source.y] * 2, np.float32)
    height, width = fit.frame
    reaches = np.minimum(moved[:, 2:], (width, height)) - np.maximum(moved[:, :2], 0)
    inside = (reaches > 0).all(1)
    kept, moved = kept[inside], moved[inside]
    return Instances(
        class_ids[kept].astype(np.int32),
        scores[kept].astype(np.float32),
        moved.astype(np.float32),
        masks[kept].astype(np.float32),
        np.full(len(kept), -1, np.int32),
    )


def paint(instances: Instances, frame: tuple[int, int], size: tuple[int, int], background: int) -> NDArray[np.uint8]:
    """Class ids (h, w) u8 of `size` over a frame of (height, width) `frame`; the surest object lies on top."""
    labels = np.full(size, background, np.uint8)
    draw_masks(labels, instances, frame, instances.class_ids)
    return labels
