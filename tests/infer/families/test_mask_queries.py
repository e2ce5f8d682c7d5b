from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.infer.families import FAMILIES, Limits, Objects, Seen, recognise

SIZE = (64, 128)
SHAPES = {"class_queries_logits": (1, 3, 3), "masks_queries_logits": (1, 3, 8, 16)}
LOGITS = np.log(np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.05, 0.05, 0.9]], np.float32))
"""Of two classes, and no object."""


def planes() -> NDArray[np.float32]:
    found = np.full((3, 8, 16), -9, np.float32)
    found[0, 2:4, 4:12] = 3
    found[1, 4:8, 0:8] = 2
    found[2] = 9
    return found


def decoded(family: str, least: float = 0.5) -> Objects:
    return FAMILIES[family].decode({"classes": LOGITS, "planes": planes()}, SIZE, Limits(least, 100, None))


def sigmoid(value: float) -> float:
    return 1 / (1 + float(np.exp(-value)))


def test_a_score_is_the_classs_times_the_masks() -> None:
    found = decoded("maskformer")
    assert found.class_ids.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.9 * sigmoid(3), 0.8 * sigmoid(2)], abs=1e-6)
    assert found.boxes.tolist() == [[32, 16, 96, 32], [0, 32, 64, 64]]
    assert found.planes is not None and found.planes.shape == (2, 8, 16) and not found.cropped


def test_masks_of_mask2former_are_judged_enlarged() -> None:
    found = decoded("mask2former")
    assert found.class_ids.tolist() == [0, 1]
    # Between 3 and -9 the border lies a quarter of a cell beyond the middle of the last one.
    assert found.boxes[0].tolist() == pytest.approx([34, 18, 94, 30], abs=0.4)
    assert found.scores[0] < 0.9 * sigmoid(3)


def test_what_neither_class_nor_mask_is_sure_of_is_no_object() -> None:
    assert len(decoded("maskformer", least=0.8).scores) == 1
    assert len(decoded("maskformer", least=0.9).scores) == 0
    none = {"classes": LOGITS, "planes": np.full((3, 8, 16), -1, np.float32)}
    assert FAMILIES["eomt"].decode(none, SIZE, Limits(0.0, 100, None)).boxes.shape == (0, 4)


def test_a_query_of_eomt_is_one_object() -> None:
    assert decoded("eomt", least=0.0).class_ids.tolist() == [0, 1, 0]
    assert len(decoded("maskformer", least=0.04).class_ids) == 3  # as many pairs of query and class as queries


def test_they_are_semantic_unless_asked_for_objects() -> None:
    assert recognise(Seen(SHAPES, SIZE, "mask2former")) is None
    found = recognise(Seen(SHAPES, SIZE), "mask2former")
    assert found is not None and found.classes == 2
    assert found.roles == {"classes": "class_queries_logits", "planes": "masks_queries_logits"}
    assert recognise(Seen({"class": (1, 3, 3), "mask": (1, 4, 8, 16)}, SIZE), "maskformer") is None
