"""Networks that give objects or queries instead of a class for each pixel, recognised so that none is misread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_Shape = tuple[int, ...]
_KINDS = {
    "detect": "YOLO detection (Ultralytics)",
    "segment": "YOLO segmentation of objects (Ultralytics)",
    "pose": "YOLO pose estimation (Ultralytics)",
    "obb": "YOLO detection of oriented boxes (Ultralytics)",
    "classify": "a YOLO classifier (Ultralytics)",
    "depth": "YOLO depth estimation (Ultralytics)",
    "rtdetr": "RT-DETR (Ultralytics)",
    "maskformer": "MaskFormer: masks of queries, and their classes",
    "mask2former": "Mask2Former: masks of queries, and their classes",
    "oneformer": "OneFormer: masks of queries, and their classes",
    "eomt": "EoMT: masks of queries, and their classes",
    "detr": "DETR: boxes of queries, and their classes",
    "conditional_detr": "Conditional DETR: boxes of queries, and their classes",
    "deformable_detr": "Deformable DETR: boxes of queries, and their classes",
    "rt_detr": "RT-DETR: boxes of queries, and their classes",
    "rt_detr_v2": "RT-DETR: boxes of queries, and their classes",
    "d_fine": "D-FINE: boxes of queries, and their classes",
    "yolos": "YOLOS: boxes of queries, and their classes",
    "sam": "Segment Anything: masks of what is asked for",
    "sam2": "Segment Anything 2: masks of what is asked for",
}
"""What Ultralytics calls its tasks and Hugging Face its models, in plain words."""
_PROTOTYPES = 32
_STRIDES = (8, 16, 32)
_FLOWS, _STYLES = 3, 256
"""Planes of Cellpose, and the numbers that it gives of the whole picture beside them."""


def objects_family(outputs: Mapping[str, _Shape], size: tuple[int, int], kind: str = "") -> str:
    """What outputs of these shapes look like, in words; empty where they may be a segmentation.

    `size` is the (height, width) that was fed, `kind` what the exporter calls the model.
    """
    if kind in _KINDS:
        return _KINDS[kind]
    shapes = list(outputs.values())
    planes = {shape[1] for shape in shapes if len(shape) == 4}
    lists = [shape[1:] for shape in shapes if len(shape) == 3]
    flat = [shape for shape in shapes if len(shape) <= 2]
    if len(lists) == 1 and lists[0][1] == 4 and [shape[1:] for shape in flat].count(lists[0][:1]) == 2:
        return "D-FINE or D-FINE-seg that chooses objects itself: their boxes, classes and scores"
    if family := _planes_of_objects(planes, lists, shapes):
        return family
    if planes == {_FLOWS} and [shape[1] for shape in flat if len(shape) == 2] == [_STYLES]:
        return "Cellpose: two directions for each pixel, and whether it is of a cell"
    if _PROTOTYPES in planes and any(max(rows) > min(rows) > _PROTOTYPES + 4 for rows in lists):
        return f"YOLO segmentation of objects: rows of boxes with scores, and {_PROTOTYPES} prototypes of masks"
    if len(lists) > 1 and any(columns == 4 for _, columns in lists) and len({rows for rows, _ in lists}) == 1:
        return "DETR: boxes of queries, and their classes"
    if len(shapes) == 1 and lists:
        anchors = sum((size[0] // s) * (size[1] // s) for s in _STRIDES)
        if set(lists[0]) & {anchors, 3 * anchors} or lists[0][1] == 6:
            return "YOLO detection: rows of boxes with scores"
    if any(len(shape) == 2 and shape[1] == 4 for shape in flat) and sum(len(shape) == 1 for shape in flat) >= 2:
        return "torchvision detection: a list of boxes, classes and scores"
    return ""


def _planes_of_objects(planes: set[int], lists: Sequence[_Shape], shapes: Sequence[_Shape]) -> str:
    """What gives as many planes as there are rows in a list, or numbers in several."""
    counts = [math.prod(shape) for shape in shapes if len(shape) <= 2]
    if any(columns == 5 and rows in counts for rows, columns in lists):
        return "a detector of MMDetection: boxes with their scores and classes, with masks or without"
    if any(len(shape) == 3 and shape[2] == 3 and counts.count(shape[0]) > 1 for shape in shapes):
        return "a network for poses: points of each object, and its class and score in lists"
    stacked = planes | {shape[0] for shape in shapes if len(shape) == 3}
    if any(number > 1 and counts.count(number) > 1 for number in stacked):
        return "a network that gives a plane for each object, and the class and score of each in lists"
    if any(rows in planes for rows, _ in lists):
        boxes = any(columns == 4 for _, columns in lists)
        return "DETR or RF-DETR with masks of queries" if boxes else "MaskFormer or Mask2Former: masks of queries"
    return ""
