"""DETR and its kin: a fixed number of queries, each with a box, a score for each class, and perhaps a plane.

Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streamseg.infer.families.contract import Defaults, Limits, Objects, Recognised, Seen, given_roles
from streamseg.infer.model.tensors import Tensor
from streamseg.infer.postprocess import class_shares

_SOFTMAX = ("detr", "yolos", "table-transformer")
SIGMOID = (
    *("conditional_detr", "deformable_detr", "dab-detr", "rf_detr", "lw_detr"),
    *("rt_detr", "rt_detr_v2", "d_fine", "deimv2"),
)
"""What Hugging Face calls those whose classes each have a sigmoid of their own."""


class Detr:
    """Softmax over the classes, the last of which is `no object` (DETR, YOLOS)."""

    name = "detr"
    title = "DETR or YOLOS (Hugging Face), a query for each object"
    roles: tuple[str, ...] = ("boxes", "classes")
    least: Mapping[str, tuple[int, int]] = {"classes": (1, 2)}
    defaults = Defaults("imagenet", least_score=0.5, most=100)

    def recognise(self, seen: Seen) -> Recognised | None:
        """By its model type, or where it is what is wanted: its shapes are those of `Queries` too."""
        roles = _queries(seen)
        if roles is None or (seen.wanted != self.name and seen.kind not in _SOFTMAX):
            return None
        return Recognised(self.name, roles, seen.outputs[roles["classes"]][2] - 1)

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """Each query's best class."""
        shares = class_shares(outputs["classes"].astype(np.float32, copy=False))
        scores, class_ids = shares.max(1), shares.argmax(1)
        return _chosen(outputs, size, limits, np.arange(len(scores)), scores, class_ids)


class Queries:
    """A sigmoid for each class, the best of all queries and classes (RT-DETR, D-FINE, Deformable DETR)."""

    name = "queries"
    title = "RT-DETR, D-FINE or another of DETR's kin, a query for each object"
    roles: tuple[str, ...] = ("boxes", "classes")
    least: Mapping[str, tuple[int, int]] = {"classes": (1, 1)}
    defaults = Defaults(least_score=0.5, most=300)

    def recognise(self, seen: Seen) -> Recognised | None:
        """By its outputs, in rows of one number."""
        roles = _queries(seen)
        if roles is None or (seen.wanted != self.name and seen.kind in _SOFTMAX):
            return None
        return Recognised(self.name, roles, seen.outputs[roles["classes"]][2])

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """As many pairs of a query and a class as there are queries, at most."""
        logits = outputs["classes"].astype(np.float32, copy=False)
        flat = logits.reshape(-1)
        best = np.argsort(-flat, kind="stable")[: min(limits.most, len(logits))]
        scores = np.asarray(1 / (1 + np.exp(-flat[best])), np.float32)
        return _chosen(outputs, size, limits, best // logits.shape[1], scores, best % logits.shape[1])


class RfDetr(Queries):
    """RF-DETR, whose export names its outputs."""

    name = "rf-detr"
    title = "RF-DETR (Roboflow), a query for each object"
    defaults = Defaults("imagenet", least_score=0.5, most=300, by_category=True, spare_class=True)

    def recognise(self, seen: Seen) -> Recognised | None:
        """By those names."""
        found = Queries.recognise(self, seen)
        return found if found is not None and {"dets", "labels"} <= seen.outputs.keys() else None


def _queries(seen: Seen) -> dict[str, str] | None:
    """Role to output, where the outputs are boxes, classes and at most one more, with as many rows each."""
    lists = {name: shape for name, shape in seen.outputs.items() if len(shape) == 3}
    planes = {name: shape for name, shape in seen.outputs.items() if len(shape) == 4}
    boxes = [name for name, shape in lists.items() if shape[2] == 4]
    if len(lists) != 2 or len(boxes) == 0 or len({shape[1] for shape in lists.values()}) != 1:
        return None
    named = [name for name in boxes if "box" in name.lower() or name == "dets"]
    box = named[0] if named else boxes[0]
    (classes,) = lists.keys() - {box}
    rows = lists[box][1]
    own = [name for name, shape in planes.items() if shape[1] == rows]
    if len(planes) != len(own) or len(own) > 1:
        return None
    return given_roles(boxes=box, classes=classes, planes=own[0] if own else None)


def _chosen(
    outputs: Mapping[str, Tensor],
    size: tuple[int, int],
    limits: Limits,
    rows: NDArray[np.intp],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.intp],
) -> Objects:
    """Objects of the queries `rows`, whose boxes are centre, width and height in shares of the picture."""
    kept = limits.best(scores)
    rows = rows[kept]
    placed = outputs["boxes"][rows].astype(np.float32)
    centres, halves = placed[:, :2], placed[:, 2:] / 2
    boxes = np.concatenate([centres - halves, centres + halves], 1) * np.array(size[::-1] * 2, np.float32)
    planes = outputs.get("planes")
    planes = None if planes is None else planes[rows].astype(np.float32, copy=False)
    return Objects(boxes, scores[kept], class_ids[kept].astype(np.int32), planes, cropped=False)
