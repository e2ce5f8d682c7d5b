"""Whether labels stay with what they are on, from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.evaluation.scores import Labels, confusion, scores
from streamseg.frame import Image
from streamseg.labelmap import VOID
from streamseg.masks import sampled


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


class LastingTruth:
    """mVC: of the pixels whose true class does not change over n frames, the share that is right in all of them.

    Miao et al., "VSPW: A Large-scale Dataset for Video Scene Parsing in the Wild", CVPR 2021; they give it for 8 and 16
    frames. Unlike `Consistency` it needs a label for every frame, and rewards nothing that is steady and wrong.
    """

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._before: Labels | None = None
        self._same = self._right = np.zeros((0, 0), np.int32)
        self._values: list[float] = []

    def add(self, true: Labels, found: Labels) -> None:
        """The next frame, both (H, W) u8; where `true` is void nothing lasts."""
        if self._before is None or self._before.shape != true.shape:
            self._same = self._right = np.zeros(true.shape, np.int32)
            self._before = true
        lasts = (true == self._before) & (true != VOID)
        self._same = np.where(lasts, self._same, 0) + (true != VOID)
        self._right = np.where(found == true, self._right + 1, 0)
        self._before = true
        lasting = self._same >= self._frames
        if lasting.any():
            self._values.append(float((self._right[lasting] >= self._frames).mean()))

    def mean(self) -> float:
        """0..1, mean over all stretches of n frames; nan where there is none."""
        return float(np.mean(self._values)) if self._values else float("nan")


class Video:
    """What only a video can show: how steady labels are, and how lastingly right."""

    def __init__(self, n_classes: int) -> None:
        self._consistency = Consistency(n_classes)
        self._lasting = {f"mvc_{frames}": LastingTruth(frames) for frames in (8, 16)}

    def add(self, image: Image, found: Labels, true: Labels | None) -> None:
        """The next frame; `true` None where objects and not labels are judged."""
        self._consistency.add(image, found)
        if true is not None:
            whole = sampled(found, (true.shape[0], true.shape[1]))
            for lasting in self._lasting.values():
                lasting.add(true, whole)

    def figures(self) -> dict[str, float]:
        """0..1 by name; without the figures that too few frames cannot give."""
        lasting = {name: each.mean() for name, each in self._lasting.items()}
        known = {name: value for name, value in lasting.items() if not np.isnan(value)}
        return {"temporal_consistency": self._consistency.mean(), **known}


def _moved(labels: Labels, flow: NDArray[np.float32]) -> Labels:
    """Each pixel gets the label that it had where `flow` (h, w, 2) says it was; void where that was outside."""
    height, width = labels.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    was = cv2.remap(
        labels, x + flow[..., 0], y + flow[..., 1], cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(VOID,),
    )  # fmt: skip
    return np.asarray(was, np.uint8)
