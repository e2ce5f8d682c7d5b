"""Networks as Ultralytics exports them, for objects and for boxes: raw, with suppression inside, and without any.

Jocher et al., https://docs.ultralytics.com; the masks are those of Bolya et al., "YOLACT: Real-Time Instance
Segmentation", ICCV 2019: prototypes, weighted for each object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamseg.infer.families.contract import Defaults, Limits, Objects, Recognised, Seen, given_roles
from streamseg.infer.model.tensors import Tensor
from streamseg.infer.suppress import keep_best

_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (4, 8, 16, 32, 64), (16, 32))
"""Of the feature maps that anchors lie on: the usual ones; with P6, with P2 for small things, both; YOLOv3-tiny's."""
_MOST_COMPARED = 30_000
_BOX, _ROW = 4, 6
_TASKS = ("", "detect", "segment")
RT_DETR = "rtdetr"
"""What `Seen.kind` calls RT-DETR as Ultralytics exports it, whose task is that of YOLO."""


class RawYolo:
    """A column an anchor: box, a score for each class, and coefficients (v8, v9, v11, v12)."""

    name = "yolo"
    title = "YOLO (Ultralytics v8 and later), a column for each anchor"
    roles: tuple[str, ...] = ("anchors",)
    least: Mapping[str, tuple[int, int]] = {"anchors": (0, _BOX + 1)}
    defaults = Defaults("0..1", "letterbox", overlap=0.7)

    def recognise(self, seen: Seen) -> Recognised | None:
        """By the number of anchors, which the size of the picture gives."""
        found = _lists(seen)
        if found is None:
            return None
        output, shape, prototypes, masks = found
        classes = shape[0] - _BOX - masks
        if shape[1] not in _anchors(seen.size) or classes < 1:
            return None
        return Recognised(self.name, given_roles(anchors=output, prototypes=prototypes), classes)

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """Greedy suppression for each class of what scores enough."""
        columns, prototypes = _floats(outputs["anchors"]), _prototypes(outputs)
        classes = len(columns) - _BOX - (0 if prototypes is None else len(prototypes))
        scores = columns[_BOX : _BOX + classes].max(0)
        return _read(columns, scores, classes, prototypes, limits)


class Yolo5:
    """A row an anchor, with a score of its own that all classes are multiplied by (YOLOv5 and YOLOv7)."""

    name = "yolo5"
    title = "YOLOv5 or YOLOv7, a row for each anchor"
    roles: tuple[str, ...] = ("anchors",)
    least: Mapping[str, tuple[int, int]] = {"anchors": (1, _BOX + 2)}
    defaults = Defaults("0..1", "letterbox", overlap=0.45)

    def recognise(self, seen: Seen) -> Recognised | None:
        """By the number of anchors: three at each place."""
        found = _lists(seen)
        if found is None:
            return None
        output, shape, prototypes, masks = found
        classes = shape[1] - _BOX - 1 - masks
        if shape[0] not in {3 * n for n in _anchors(seen.size)} or classes < 1:
            return None
        return Recognised(self.name, given_roles(anchors=output, prototypes=prototypes), classes)

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """As of the raw form, after the multiplication."""
        rows, prototypes = _floats(outputs["anchors"]), _prototypes(outputs)
        columns = rows[rows[:, _BOX] > limits.least_score].T
        classes = len(columns) - _BOX - 1 - (0 if prototypes is None else len(prototypes))
        scored = columns[_BOX + 1 : _BOX + 1 + classes] * columns[_BOX]
        columns = np.concatenate([columns[:_BOX], scored, columns[_BOX + 1 + classes :]])
        return _read(columns, scored.max(0), classes, prototypes, limits)


class YoloRows:
    """A row an object: box, score, class and coefficients; suppressed in the graph, or in need of none (v10, v26)."""

    name = "yolo-rows"
    title = "YOLO (Ultralytics), a row for each object"
    roles: tuple[str, ...] = ("rows",)
    least: Mapping[str, tuple[int, int]] = {"rows": (1, _ROW)}
    defaults = Defaults("0..1", "letterbox")

    def recognise(self, seen: Seen) -> Recognised | None:
        """By the length of a row."""
        found = _lists(seen)
        if found is None or found[1][1] != _ROW + found[3]:
            return None
        return Recognised(self.name, given_roles(rows=found[0], prototypes=found[2]), None)

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """Those that score enough."""
        rows, prototypes = _floats(outputs["rows"]), _prototypes(outputs)
        rows = rows[limits.best(rows[:, 4])]
        return Objects(
            rows[:, :4],
            rows[:, 4],
            rows[:, 5].astype(np.int32),
            prototypes,
            None if prototypes is None else rows[:, _ROW : _ROW + len(prototypes)],
        )


class RtDetrRows(YoloRows):
    """A row a query: centre, width and height as shares of the picture, score and class."""

    name = "rt-detr-rows"
    title = "RT-DETR (Ultralytics), a row for each object"
    defaults = Defaults("0..1")

    def recognise(self, seen: Seen) -> Recognised | None:
        """By what its export calls the head, or where it is what is wanted: its shape is that of `YoloRows` too."""
        if len(seen.outputs) != 1 or (seen.wanted != self.name and seen.kind != RT_DETR):
            return None
        ((name, shape),) = seen.outputs.items()
        return Recognised(self.name, {"rows": name}, None) if len(shape) == 3 and shape[2] == _ROW else None

    def decode(self, outputs: Mapping[str, Tensor], size: tuple[int, int], limits: Limits) -> Objects:
        """Those that score enough."""
        found = YoloRows.decode(self, outputs, size, limits)
        centres, halves = found.boxes[:, :2], found.boxes[:, 2:] / 2
        shares = np.concatenate([centres - halves, centres + halves], 1)
        return replace(found, boxes=shares * np.array(size[::-1] * 2, np.float32))


def _read(
    columns: NDArray[np.float32],
    scores: NDArray[np.float32],
    classes: int,
    prototypes: NDArray[np.float32] | None,
    limits: Limits,
) -> Objects:
    """Objects of columns (4 + classes + c, A): the box as centre, width and height, scores, and coefficients."""
    kept = np.flatnonzero(scores > limits.least_score)
    if len(kept) > _MOST_COMPARED:
        kept = kept[np.argsort(-scores[kept], kind="stable")[:_MOST_COMPARED]]
    scores = scores[kept]
    class_ids = columns[_BOX : _BOX + classes].take(kept, 1).argmax(0).astype(np.int32)
    placed = columns[:_BOX].take(kept, 1)
    centres, halves = placed[:2], placed[2:] / 2
    boxes = np.concatenate([centres - halves, centres + halves]).T
    if limits.overlap is not None:
        best = keep_best(boxes, scores, class_ids, limits.overlap, limits.most)
    else:
        best = np.argsort(-scores, kind="stable")
    best = best[: limits.most]
    weights = None if prototypes is None else np.ascontiguousarray(columns[_BOX + classes :, kept[best]].T)
    return Objects(boxes[best], scores[best], class_ids[best], prototypes, weights)


def _lists(seen: Seen) -> tuple[str, tuple[int, int], str | None, int] | None:
    """The output of rows or columns and its sides, that of the prototypes and how many; None: it has other outputs."""
    lists = {name: shape for name, shape in seen.outputs.items() if len(shape) == 3}
    planes = {name: shape for name, shape in seen.outputs.items() if len(shape) == 4}
    if seen.kind not in _TASKS or len(lists) != 1 or not planes and len(seen.outputs) > 1:
        return None
    ((name, (_, rows, columns)),) = lists.items()
    # YOLOv5 gives its three feature maps as well; prototypes come at twice the size of the finest one.
    small = [(seen.size[0] // times, seen.size[1] // times) for times in (4, 2)]
    fitting = [(each, shape[1]) for each, shape in planes.items() if shape[2:] in small]
    if planes and (len(planes) != 1 or not fitting):
        return None
    prototypes, masks = fitting[0] if fitting else (None, 0)
    return name, (rows, columns), prototypes, masks


def _anchors(size: tuple[int, int]) -> set[int]:
    """How many places there may be in all: a cell for each stride."""
    return {sum((size[0] // stride) * (size[1] // stride) for stride in strides) for strides in _STRIDES}


def _prototypes(outputs: Mapping[str, Tensor]) -> NDArray[np.float32] | None:
    found = outputs.get("prototypes")
    return None if found is None else _floats(found)


def _floats(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.astype(np.float32, copy=False)
