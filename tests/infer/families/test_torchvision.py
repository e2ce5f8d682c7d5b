from __future__ import annotations

import numpy as np

from streamseg.infer.families import FAMILIES, Limits, Seen, recognise

LIMITS = Limits(0.5, 100, None)
SHAPES = {"boxes": (7, 4), "labels": (7,), "scores": (7,)}


def test_lists_of_boxes_classes_and_scores_are_recognised_with_masks_or_without() -> None:
    found = recognise(Seen(SHAPES, (64, 64)))
    assert found is not None and found.family == "torchvision"
    assert found.roles == {"boxes": "boxes", "class_ids": "labels", "scores": "scores"}
    found = recognise(Seen({**SHAPES, "masks": (7, 1, 64, 64)}, (64, 64)))
    assert found is not None and found.roles["planes"] == "masks"
    assert recognise(Seen({"boxes": (7, 4), "labels": (7,)}, (64, 64))) is None
    assert recognise(Seen({**SHAPES, "keypoints": (7, 17, 3)}, (64, 64))) is None

    assert "R-CNN" not in FAMILIES["torchvision"].title


def test_classes_are_the_whole_numbers_in_whatever_order_they_come() -> None:
    """RetinaNet and SSD give scores before labels, and an export without names calls them by numbers."""
    seen = Seen({"820": (7, 4), "835": (7,), "841": (7,)}, (64, 64), whole=frozenset({"841"}))
    found = recognise(seen)
    assert found is not None and found.roles == {"boxes": "820", "class_ids": "841", "scores": "835"}


def test_objects_that_score_enough_come_best_first() -> None:
    outputs = {
        "boxes": np.array([[1, 1, 5, 5], [2, 2, 6, 6], [3, 3, 7, 7]], np.float32),
        "class_ids": np.array([4, 5, 6]),
        "scores": np.array([0.6, 0.4, 0.9], np.float32),
        "planes": np.zeros((3, 8, 8), np.float32),
    }
    found = FAMILIES["torchvision"].decode(outputs, (8, 8), LIMITS)
    assert found.class_ids.tolist() == [6, 4]
    assert found.boxes[:, 0].tolist() == [3, 1]
    assert found.threshold == 0.5


def test_there_may_be_no_object_at_all() -> None:
    outputs = {"boxes": np.zeros((0, 4), np.float32), "class_ids": np.zeros(0, int), "scores": np.zeros(0, np.float32)}
    assert len(FAMILIES["torchvision"].decode(outputs, (8, 8), LIMITS).boxes) == 0
