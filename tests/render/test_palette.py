from __future__ import annotations

import cv2
import numpy as np

from streamseg.render.palette import colour_table, drawn_table
from streamseg.segmentation import Classes

COLOURS = np.array([[1, 2, 3], [40, 200, 60], [250, 30, 90]], np.uint8)


def test_a_label_picture_is_coloured_in_one_pass() -> None:
    labels = np.array([[0, 1], [2, 1]], np.uint8)
    table = colour_table(Classes(("a", "b", "c"), COLOURS))
    assert (cv2.applyColorMap(labels, table) == COLOURS[labels]).all()


def test_an_id_that_is_no_class_is_black_and_undrawn() -> None:
    classes = Classes(("a", "b", "c"), COLOURS, background=None, ignore_index=None)
    assert not colour_table(classes)[3:].any()
    assert drawn_table(classes).tolist() == [255] * 3 + [0] * 253


def test_background_and_ignored_pixels_are_undrawn() -> None:
    assert drawn_table(Classes(("a", "b", "c"), COLOURS, 0, 255))[:4].tolist() == [0, 255, 255, 0]
    assert drawn_table(Classes(("a", "b", "c"), COLOURS, 2, 1))[:4].tolist() == [255, 0, 0, 0]


def test_as_many_classes_as_a_byte_has_values_have_a_colour_each() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    classes = Classes(tuple(map(str, range(256))), colours, None, None)
    assert (colour_table(classes)[:, 0] == colours).all()
    assert drawn_table(classes).all()
