"""A network's output into class ids: one u8 plane a frame, whatever the network gives."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
VOID = 255
"""The label of pixels that belong to no class."""


def label_planes(output: NDArray[Any]) -> Plane:
    """(N, h, w) u8 from integer labels (N, h, w), (h, w), (N, 1, h, w) or (N, h, w, 1); what is no byte is `VOID`."""
    planes = squeeze(output)
    if planes.dtype != np.uint8 and planes.size and (planes.min() < 0 or planes.max() > VOID):
        planes = np.where((planes >= 0) & (planes <= VOID), planes, VOID)
    return planes.astype(np.uint8, copy=False)


def strange_labels(output: NDArray[Any], n_classes: int, ignore: int | None) -> NDArray[np.bool_] | None:
    """Where integer labels, (...), are neither a class nor `ignore`, nor below 0; None where that is nowhere."""
    if not output.size or output.max() < n_classes:
        return None
    strange = output >= n_classes
    if ignore is not None:
        strange &= output != ignore
    return strange if strange.any() else None


def argmax_planes(logits: NDArray[Any], axis: int) -> Plane:
    """(N, h, w) u8: the class of the highest of (N, C, h, w) (`axis` 1) or (N, h, w, C) (`axis` 3); ties to the first.

    A compare and a masked copy for each plane take a ninth of the time of NumPy's argmax, which walks across planes.
    """
    planes = np.ascontiguousarray(np.moveaxis(logits, axis, 1), np.float32)
    labels = np.zeros((planes.shape[0], *planes.shape[2:]), np.uint8)
    best = np.empty(planes.shape[2:], np.float32)
    class_id = np.empty(planes.shape[2:], np.uint8)
    for image, out in zip(planes, labels, strict=True):
        np.copyto(best, image[0])
        for i, plane in enumerate(image[1:], 1):
            class_id.fill(i)
            higher = cv2.compare(plane, best, cv2.CMP_GT)
            cv2.copyTo(class_id, higher, out)
            cv2.max(best, plane, best)
    return labels


def probability_planes(probability: NDArray[Any]) -> tuple[Plane, Plane]:
    """Labels and confidence, each (N, h, w) u8, from one plane of 0..1 for class 1: above one half it is there.

    What lies beyond 0 and 1, as a plane that was enlarged by cubic interpolation does, is as sure as they are;
    NaN is not sure at all.
    """
    planes = np.ascontiguousarray(squeeze(probability), np.float32)
    labels = (planes > 0.5).astype(np.uint8)
    sure = np.maximum(planes, 1 - planes)
    np.minimum(sure, 1, out=sure)
    with np.errstate(invalid="ignore"):  # NaN becomes 0
        return labels, (sure * 255 + 0.5).astype(np.uint8)


def class_shares(logits: NDArray[Any]) -> NDArray[np.float32]:
    """(…, C) of 0..1 from (…, C + 1): a softmax, without its last class, `no object`."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray((powers / powers.sum(-1, keepdims=True))[..., :-1], np.float32)


def squeeze(output: NDArray[Any]) -> NDArray[Any]:
    """(N, h, w) from (h, w), (N, h, w), (N, 1, h, w) or (N, h, w, 1)."""
    if output.ndim == 4:
        return output[:, 0] if output.shape[1] == 1 else output[..., 0]
    return output[None] if output.ndim == 2 else output
