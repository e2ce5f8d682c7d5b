"""MaskFormer and its kin: a fixed number of queries, each with a class and a plane, and no box.

Cheng et al., "Per-Pixel Classification is Not All You Need for Semantic Segmentation", NeurIPS 2021. Read for objects
as Hugging Face's `post_process_instance_segmentation` does it: a query's score is its class's times the mean share of
its mask's pixels. Whether a network was trained for objects its graph does not show: it has to be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.infer.families.contract import Defaults, Limits, Objects, Recognised, Seen, Shapes
from streamseg.infer.model.tensors import Tensor
from streamseg.infer.postprocess import class_shares


class MaskQueries:
    """One of that kin; they differ in the size at which a mask is judged, and in how many classes a query may have."""

    roles: tuple[str, ...] = ("classes", "planes")
    least: Mapping[str, tuple[int, int]] = {"classes": (1, 2)}

    def __init__(
        self,
        name: str,
        title: str,
        *,
        judged_at: tuple[int, int] | Literal["planes", "input"] = "planes",
        one_class: bool = False,
        least_score: float = 0.5,
    ) -> None:
        """A mask is judged as it is, or enlarged to the input's size or another one (height, width)."""
        self.name, self.title = name, f"{title} (Hugging Face), a query for each object"
        self.defaults = Defaults("imagenet", least_score=least_score, most=100)
        self._judged_at, self._one_class = judged_at, one_class

    def recognise(self, seen: Seen) -> Recognised | None:
        """By its outputs, where it is what is wanted."""
        names = mask_queries(seen.outputs, seen.size, named=True) if seen.wanted == self.name else None
        if names is None:
            return None
        classes, planes = names
        return Recognised(self.name, {"classes": classes, "planes": planes}, seen.outputs[classes][2] - 1)

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """Queries whose mask is not empty; their boxes are where that begins and ends."""
        planes = outputs["planes"]
        judged = size if self._judged_at == "input" else None if self._judged_at == "planes" else self._judged_at
        rows, class_ids, sure = self._candidates(outputs["classes"].astype(np.float32, copy=False))
        kept, scores, boxes = [], [], []
        for i in np.flatnonzero(sure >= limits.least_score):  # a mask can only lower it
            plane = planes[rows[i]].astype(np.float32, copy=False)
            if judged is not None:
                plane = np.asarray(cv2.resize(plane, judged[::-1]), np.float32)
            there = plane > 0
            left, top, wide, high = cv2.boundingRect(there.view(np.uint8))
            score = sure[i] * float((1 / (1 + np.exp(-plane[there]))).mean()) if wide else 0.0
            if wide and score >= limits.least_score:
                kept.append(i)
                scores.append(score)
                shares = np.array([left, top, left + wide, top + high]) / np.array(there.shape[::-1] * 2)
                boxes.append(shares * np.array(size[::-1] * 2))
        found = np.array(scores, np.float32)
        order = np.argsort(-found, kind="stable")[: limits.most]
        chosen = np.array(kept, np.intp)[order]
        return Objects(
            np.array(boxes, np.float32).reshape(-1, 4)[order],
            found[order],
            class_ids[chosen].astype(np.int32),
            planes[rows[chosen]].astype(np.float32, copy=False),
            cropped=False,
        )

    def _candidates(
        self, logits: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Query, class and its share, 0..1, of as many pairs as there are queries."""
        shares = class_shares(logits)
        if self._one_class:
            return np.arange(len(shares)), shares.argmax(1), shares.max(1)
        best = np.argsort(-shares, axis=None, kind="stable")[: len(shares)]
        return best // shares.shape[1], best % shares.shape[1], shares.reshape(-1)[best]


def mask_queries(outputs: Shapes, size: tuple[int, int], *, named: bool) -> tuple[str, str] | None:
    """The outputs (N, Q, C + 1), the last of which is `no object`, and (N, Q, h, w) in the proportions of `size`.

    Where they are `named` others may be beside them, those of inner layers. None where they are not there.
    """
    lists = {name: shape for name, shape in outputs.items() if len(shape) == 3}
    planes = {name: shape for name, shape in outputs.items() if len(shape) == 4}
    if named or len(outputs) > 2:
        lists = {name: shape for name, shape in lists.items() if "class" in name}
        planes = {name: shape for name, shape in planes.items() if "mask" in name}
    if (len(lists), len(planes)) != (1, 1):
        return None
    ((classes, (_, queries, n)),), ((masks, (_, rows, height, width)),) = lists.items(), planes.items()
    if queries != rows or n < 2 or abs(height * size[1] - width * size[0]) > max(size):
        return None
    return classes, masks
