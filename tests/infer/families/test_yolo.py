from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.infer.families import FAMILIES, Limits, Seen, recognise

SIZE = (64, 64)
ANCHORS = 64 + 16 + 4
PROTOTYPES = np.arange(2 * 16 * 16, dtype=np.float32).reshape(2, 16, 16)
LIMITS = Limits(0.25, 300, 0.7)


def seen(*shapes: tuple[int, ...], kind: str = "", size: tuple[int, int] = SIZE) -> Seen:
    return Seen({f"output{i}": shape for i, shape in enumerate(shapes)}, size, kind)


@pytest.mark.parametrize(
    ("shapes", "size", "family", "classes"),
    [
        ([(1, 4 + 80 + 32, 8400), (1, 32, 160, 160)], (640, 640), "yolo", 80),
        ([(1, 4 + 80, 8400)], (640, 640), "yolo", 80),
        ([(1, 4 + 2 + 32, 1344), (1, 32, 64, 64)], (256, 256), "yolo", 2),
        ([(1, 4 + 3, 8 * 8 + 16)], (64, 64), None, None),
        ([(1, 84, 60 * 80 + 30 * 40 + 15 * 20)], (480, 640), "yolo", 80),
        ([(1, 84, 33600 + 400)], (1280, 1280), "yolo", 80),
        ([(1, 84, 25600 + 8400)], (640, 640), "yolo", 80),
        ([(1, 84, 25600 + 8400 + 100)], (640, 640), "yolo", 80),
        ([(1, 84 + 32, 25600 + 8400), (1, 32, 320, 320)], (640, 640), "yolo", 80),
        ([(1, 84, 1600 + 400)], (640, 640), "yolo", 80),
        ([(1, 3 * (25600 + 8400), 85)], (640, 640), "yolo5", 80),
        ([(1, 25200, 85)], (640, 640), "yolo5", 80),
        ([(1, 25200, 117), (1, 32, 160, 160)], (640, 640), "yolo5", 80),
        ([(1, 300, 38), (1, 32, 160, 160)], (640, 640), "yolo-rows", None),
        ([(1, 300, 6)], (640, 640), "yolo-rows", None),
        ([(1, 300, 38)], (640, 640), None, None),
        ([(1, 116, 8400), (1, 32, 99, 99)], (640, 640), None, None),
        ([(1, 116, 8400), (1, 116, 8400)], (640, 640), None, None),
        ([(1, 21, 64, 64)], (64, 64), None, None),
    ],
)
def test_shapes_tell_the_form(
    shapes: list[tuple[int, ...]], size: tuple[int, int], family: str | None, classes: int | None
) -> None:
    found = recognise(seen(*shapes, size=size))
    assert (found and found.family) == family
    assert (found and found.classes) == classes


def test_another_task_is_another_thing() -> None:
    assert recognise(seen((1, 4 + 1 + 51, ANCHORS), kind="pose")) is None
    assert recognise(seen((1, 4 + 15 + 1, ANCHORS), kind="obb")) is None
    assert recognise(seen((1, 84, ANCHORS), kind="detect")) is not None


def test_rows_of_shares_are_those_of_the_head_that_gives_them() -> None:
    found = recognise(seen((1, 300, 6), kind="rtdetr"))
    assert found is not None
    assert found.family == "rt-detr-rows"
    rows = np.array([[0.5, 0.25, 0.5, 0.25, 0.3, 0], [0.5, 0.5, 0.25, 1, 0.9, 1], [0.5, 0.5, 1, 1, 0.2, 1]], np.float32)
    objects = FAMILIES[found.family].decode({"rows": rows}, (64, 128), LIMITS)
    assert objects.boxes.tolist() == [[48, 0, 80, 64], [32, 8, 96, 24]]
    assert objects.class_ids.tolist() == [1, 0]
    assert objects.scores.tolist() == pytest.approx([0.9, 0.3])


def columns(*objects: tuple[float, ...], classes: int = 3) -> NDArray[np.float32]:
    """(4 + classes + 2, A): box as centre and size, scores, coefficients; all other anchors find nothing."""
    found = np.zeros((4 + classes + 2, ANCHORS), np.float32)
    found[:, : len(objects)] = np.array(objects, np.float32).T
    return found


def test_the_best_of_those_that_overlap_stays_with_its_coefficients() -> None:
    anchors = columns(
        (20, 20, 16, 16, 0.1, 0.6, 0.0, 1, 2),
        (21, 20, 16, 16, 0.1, 0.9, 0.0, 3, 4),
        (20, 20, 16, 16, 0.8, 0.1, 0.0, 5, 6),
        (50, 50, 10, 20, 0.0, 0.0, 0.3, 7, 8),
        (50, 50, 10, 20, 0.0, 0.0, 0.2, 9, 9),
    )
    found = FAMILIES["yolo"].decode({"anchors": anchors, "prototypes": PROTOTYPES}, SIZE, LIMITS)
    assert found.class_ids.tolist() == [1, 0, 2]
    assert found.scores.tolist() == pytest.approx([0.9, 0.8, 0.3])
    assert found.boxes.tolist() == [[13, 12, 29, 28], [12, 12, 28, 28], [45, 40, 55, 60]]
    assert found.coefficients is not None and found.coefficients.tolist() == [[3, 4], [5, 6], [7, 8]]
    assert found.planes is not None and found.planes.shape == (2, 16, 16)


def test_boxes_alone_are_read_like_those_with_masks() -> None:
    anchors = columns((20, 20, 16, 16, 0.1, 0.6, 0.0, 0, 0))[:7]
    found = FAMILIES["yolo"].decode({"anchors": anchors}, SIZE, LIMITS)
    assert (found.planes, found.coefficients) == (None, None)
    assert found.class_ids.tolist() == [1]


def test_no_more_objects_are_read_than_asked_for() -> None:
    anchors = columns(*((10.0 * i, 5, 4, 4, 0.5 + i / 100, 0, 0, 0, 0) for i in range(5)))[:7]
    found = FAMILIES["yolo"].decode({"anchors": anchors}, SIZE, Limits(0.25, 2, 0.7))
    assert found.boxes[:, 0].tolist() == [38, 28]


def test_nothing_is_found_where_nothing_scores() -> None:
    outputs = {"anchors": columns(), "prototypes": PROTOTYPES}
    assert len(FAMILIES["yolo"].decode(outputs, SIZE, LIMITS).boxes) == 0
    rows = np.zeros((5, 8), np.float32)
    assert len(FAMILIES["yolo-rows"].decode({"rows": rows, "prototypes": PROTOTYPES}, SIZE, LIMITS).boxes) == 0
    fives = np.zeros((7, 4 + 1 + 3), np.float32)
    assert len(FAMILIES["yolo5"].decode({"anchors": fives}, SIZE, LIMITS).boxes) == 0


def test_rows_are_taken_as_they_are_the_best_first() -> None:
    rows = np.array([[1, 2, 3, 4, 0.3, 2, 1, 1], [5, 6, 7, 8, 0.9, 0, 2, 2], [5, 6, 7, 8, 0.1, 0, 3, 3]], np.float32)
    found = FAMILIES["yolo-rows"].decode({"rows": rows, "prototypes": PROTOTYPES}, SIZE, LIMITS)
    assert found.boxes.tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
    assert found.class_ids.tolist() == [0, 2]
    assert found.coefficients is not None and found.coefficients.tolist() == [[2, 2], [1, 1]]


def test_yolo5_multiplies_its_classes_by_the_score_of_the_anchor() -> None:
    rows = np.zeros((3 * ANCHORS, 4 + 1 + 2), np.float32)
    rows[7] = (20, 20, 16, 16, 0.5, 0.4, 0.9)
    rows[9] = (50, 20, 16, 16, 0.2, 0.4, 0.9)
    found = FAMILIES["yolo5"].decode({"anchors": rows}, SIZE, LIMITS)
    assert found.class_ids.tolist() == [1]
    assert found.scores.tolist() == pytest.approx([0.45])
    assert found.boxes.tolist() == [[12, 12, 28, 28]]


def test_half_precision_is_read_as_well() -> None:
    anchors = columns((20, 20, 16, 16, 0.1, 0.6, 0.0, 1, 2)).astype(np.float16)
    found = FAMILIES["yolo"].decode({"anchors": anchors, "prototypes": PROTOTYPES.astype(np.float16)}, SIZE, LIMITS)
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.planes is not None and found.planes.dtype == np.float32
