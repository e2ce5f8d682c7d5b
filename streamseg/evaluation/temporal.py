"""Whether labels stay with what they are on, from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.evaluation.scores import Labels, confusion, scores
from streamseg.frame import Image

_VOID = 255


class Consistency:
    """mIoU of each frame's labels with those of the frame before, moved along with the picture; mean over the frames.

    Liu, Shen, Yu and Wang, "Efficient Semantic Video Segmentation with Per-frame Inference", ECCV 2020; with dense
    inverse search (Kroeger et al., 2016) for the motion. Says nothing about what is right: one class everywhere is
    perfectly steady.
    """

    def __init__(self, n_classes: int) -> None:
        self._n_classes = n_classes
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: tuple[NDArray[np.uint8], Labels] | None = None
        self._values: list[float] = []

    def add(self, image: Image, labels: Labels) -> None:
        """The next frame, (H, W, 3) u8, with its labels (h, w) u8."""
        height, width = labels.shape
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        if self._before and self._before[0].shape == grey.shape:
            # Zeros, not just room for the result: what is handed over is where the search begins.
            flow = self._flow.calc(grey, self._before[0], np.zeros((height, width, 2), np.float32))
            moved = _moved(self._before[1], np.asarray(flow, np.float32))
            self._values.append(scores(confusion(moved, labels, self._n_classes)).miou)
        self._before = grey, labels

    def mean(self) -> float:
        """0..1; nan with fewer than two frames of one size."""
        return float(np.mean(self._values)) if self._values else float("nan")


def _moved(labels: Labels, flow: NDArray[np.float32]) -> Labels:
    """Each pixel gets the label that it had where `flow` (h, w, 2) says it was; void where that was outside."""
    height, width = labels.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    was = cv2.remap(
        labels, x + flow[..., 0], y + flow[..., 1], cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(_VOID,),
    )  # fmt: skip
    return np.asarray(was, np.uint8)
