from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.frame import Image
from streamseg.render.contours import boxes, outline
from streamseg.segmentation import Classes, Instances, Segmentation

COLOURS = np.array([[0, 0, 0], [40, 200, 60], [250, 30, 90]], np.uint8)


def blank(height: int = 120, width: int = 160) -> Image:
    return np.zeros((height, width, 3), np.uint8)


def segmentation(
    labels: NDArray[np.uint8],
    count: int = 3,
    background: int | None = 0,
    confidence: NDArray[np.uint8] | None = None,
    instances: Instances | None = None,
) -> Segmentation:
    classes = Classes(("ground", "car", "person")[:count], COLOURS[:count], background)
    return Segmentation(labels, classes, 0, 0.0, confidence, instances)


def square(value: int = 1) -> NDArray[np.uint8]:
    """(60, 80), at half of the picture's sides."""
    labels = np.zeros((60, 80), np.uint8)
    labels[20:40, 30:50] = value
    return labels


def drawn(found: Segmentation) -> NDArray[np.bool_]:
    picture = blank()
    outline(picture, found)
    return np.asarray(picture[:, :, 0] > 60)


def test_an_outline_follows_the_border_at_the_pictures_size() -> None:
    line = drawn(segmentation(square()))
    border = np.zeros_like(line)
    border[38:82, 58:102] = True
    border[43:77, 63:97] = False
    assert not (line & ~border).any()
    assert line[40, 62:98].all() and line[79, 62:98].all() and line[42:78, 60].all() and line[42:78, 99].all()


def test_a_hole_has_an_outline_as_well() -> None:
    labels = square()
    labels[27:33, 37:43] = 0
    line = drawn(segmentation(labels))
    assert line[52:68, 72:88].any()
    assert line[40, 70]


def test_two_classes_that_touch_have_a_line_between_them() -> None:
    labels = square()
    labels[20:40, 40:50] = 2
    line = drawn(segmentation(labels))
    assert line[45:75, 78:82].any(1).all()
    assert not line[45:75, 66:74].any()


def test_of_two_classes_the_confidence_says_where_the_border_is() -> None:
    labels, sure = square(), np.full((60, 80), 255, np.uint8)
    plain = drawn(segmentation(labels, 2))
    unsure = sure.copy()
    unsure[20:40, 30:40] = 0  # a label that could not be followed
    assert (drawn(segmentation(labels, 2, confidence=sure)) == plain).mean() > 0.99
    assert not drawn(segmentation(labels, 2, confidence=unsure))[45:75, 50:70].any()
    assert plain[45:75, 58:62].any()


def test_background_ignored_pixels_and_ids_that_are_no_class_have_no_outline() -> None:
    assert not drawn(segmentation(square(0))).any()
    assert not drawn(segmentation(square(255))).any()
    assert not drawn(segmentation(square(7))).any()


def test_where_no_class_is_background_each_has_its_outline() -> None:
    labels = np.zeros((60, 80), np.uint8)
    labels[:, 40:] = 1
    line = drawn(segmentation(labels, 3, None))
    assert line[10:110, 78:82].any(1).all()


def objects(*boxed: tuple[float, float, float, float], class_id: int = 1) -> Instances:
    n = len(boxed)
    return Instances(
        np.full(n, class_id, np.int32),
        np.full(n, 0.87, np.float32),
        np.array(boxed, np.float32).reshape(n, 4),
        np.ones((n, 4, 4), np.float32),
        np.full(n, -1, np.int32),
    )


def with_boxes(instances: Instances | None, height: int = 240, width: int = 320) -> Image:
    picture = blank(height, width)
    boxes(picture, segmentation(square(), instances=instances))
    return picture


def test_without_objects_nothing_is_drawn() -> None:
    assert not with_boxes(None).any()
    assert not with_boxes(objects()).any()


def test_a_box_stands_where_the_object_is_in_its_classs_colour() -> None:
    picture = with_boxes(objects((40.4, 60.0, 199.6, 180.0), class_id=2))
    for place in (picture[120, 40], picture[120, 200], picture[180, 120]):
        assert place.tolist() == pytest.approx(COLOURS[2].tolist(), rel=0.15)  # lines are drawn smoothly
    assert not picture[80:170, 60:180].any()
    assert not picture[200:].any()


def test_a_name_is_written_where_there_is_room_for_it() -> None:
    wide = with_boxes(objects((40, 60, 250, 180)))
    narrow = with_boxes(objects((40, 60, 56, 180)))
    assert (wide[40:56, 40:150] > 200).any()
    assert not narrow[40:56].any()


def test_boxes_that_reach_out_of_the_picture_do_no_harm() -> None:
    picture = with_boxes(objects((-50, -40, 900, 800), (5, 5, 5, 5)))
    assert not picture[100:140, 100:200].any()
