from __future__ import annotations

import numpy as np

from streamseg.infer.families import FAMILIES, Limits, Seen, recognise

SHAPES = {"labels": (1, 9), "boxes": (1, 9, 4), "scores": (1, 9)}
WHOLE = frozenset({"labels"})


def test_rows_of_boxes_classes_and_scores_are_recognised_with_masks_or_without() -> None:
    found = recognise(Seen(SHAPES, (64, 64), whole=WHOLE))
    assert found is not None and found.family == "d-fine" and found.batched
    assert found.roles == {"boxes": "boxes", "class_ids": "labels", "scores": "scores"}
    found = recognise(Seen({**SHAPES, "masks": (1, 9, 16, 16)}, (64, 64), whole=WHOLE))
    assert found is not None and found.roles["planes"] == "masks"
    assert recognise(Seen({**SHAPES, "masks": (1, 8, 16, 16)}, (64, 64), whole=WHOLE)) is None
    assert recognise(Seen({**SHAPES, "more": (1, 9)}, (64, 64), whole=WHOLE)) is None


def test_without_whole_numbers_nothing_tells_which_are_the_classes() -> None:
    assert recognise(Seen(SHAPES, (64, 64))) is None


def test_of_two_that_overlap_the_worse_one_goes_whatever_its_class() -> None:
    outputs = {
        "boxes": np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [40, 0, 50, 9]], np.float32),
        "class_ids": np.array([2, 1, 1, 0]),
        "scores": np.array([0.9, 0.8, 0.5, 0.4], np.float32),
        "planes": np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 4, 4), np.float32),
    }
    found = FAMILIES["d-fine"].decode(outputs, (64, 64), Limits(0.5, 100, 0.7))
    assert found.class_ids.tolist() == [2, 1]
    assert found.planes is not None and found.planes[:, 0, 0].tolist() == [0, 2]
    assert found.threshold == 0.5 and found.cropped
    assert len(FAMILIES["d-fine"].decode(outputs, (64, 64), Limits(0.5, 100, None)).scores) == 3
