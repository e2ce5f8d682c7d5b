from __future__ import annotations

import numpy as np
import pytest

from streamseg.infer.families import FAMILIES, Limits, Seen, recognise

LIMITS = Limits(0.5, 100, None)
BOXES = np.array([[0.5, 0.5, 0.5, 0.25], [0.25, 0.25, 0.5, 0.5]], np.float32)


def seen(kind: str = "", **shapes: tuple[int, ...]) -> Seen:
    return Seen(shapes, (312, 312), kind)


@pytest.mark.parametrize(
    ("found", "family", "classes"),
    [
        (seen(dets=(1, 100, 4), labels=(1, 100, 91), masks=(1, 100, 78, 78)), "rf-detr", 91),
        (seen(dets=(1, 300, 4), labels=(1, 300, 4)), "rf-detr", 4),
        (seen("detr", logits=(1, 100, 92), pred_boxes=(1, 100, 4)), "detr", 91),
        (seen("yolos", logits=(1, 100, 92), pred_boxes=(1, 100, 4)), "detr", 91),
        (seen("table-transformer", logits=(1, 100, 92), pred_boxes=(1, 100, 4)), "detr", 91),
        (seen("rt_detr", logits=(1, 300, 80), pred_boxes=(1, 300, 4)), "queries", 80),
        (seen(boxes=(1, 100, 4), logits=(1, 90, 91)), None, None),
        (seen(boxes=(1, 100, 4), logits=(1, 100, 91), masks=(1, 50, 9, 9)), None, None),
        (seen(logits=(1, 100, 91), masks=(1, 100, 9, 9)), None, None),
    ],
)
def test_boxes_and_classes_of_as_many_queries(found: Seen, family: str | None, classes: int | None) -> None:
    result = recognise(found)
    assert (result and result.family) == family
    assert (result and result.classes) == classes


def test_the_output_of_boxes_is_the_one_called_so_where_there_are_four_classes() -> None:
    found = recognise(seen(labels=(1, 300, 4), dets=(1, 300, 4)))
    assert found is not None and found.roles == {"boxes": "dets", "classes": "labels"}


def test_a_query_may_be_two_objects_where_classes_are_apart() -> None:
    logits = np.array([[3.0, -9.0, 1.0], [-9.0, 2.0, -9.0]], np.float32)
    planes = np.stack([np.full((4, 4), 1.0), np.full((4, 4), 2.0)]).astype(np.float32)
    outputs = {"boxes": BOXES, "classes": logits, "planes": planes}
    found = FAMILIES["queries"].decode(outputs, (200, 400), LIMITS)
    assert found.class_ids.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-2))])
    assert found.boxes.tolist() == [[100, 75, 300, 125], [0, 0, 200, 100]]
    assert found.planes is not None and found.planes[:, 0, 0].tolist() == [1, 2]
    assert not found.cropped
    assert FAMILIES["queries"].decode({"boxes": BOXES, "classes": logits}, (9, 9), LIMITS).planes is None


def test_what_detr_calls_no_object_takes_its_share() -> None:
    logits = np.log(np.array([[0.7, 0.1, 0.2], [0.2, 0.3, 0.5]], np.float32))
    found = FAMILIES["detr"].decode({"boxes": BOXES, "classes": logits}, (200, 400), LIMITS)
    assert found.class_ids.tolist() == [0]
    assert found.scores.tolist() == pytest.approx([0.7])
