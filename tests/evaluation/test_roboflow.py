"""Masks of Roboflow, whose numbers a table names."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.errors import InputError
from tests.evaluation.outline_folders import masks, read, roboflow
from tests.evaluation.test_corrected import MASK, picture


def test_masks_of_roboflow_are_read_by_the_names_in_their_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture(tmp_path / "set/b.jpg")
    mask = masks(read(roboflow(tmp_path / "set", "0, Background\n2, crack\n1, hole\n")))["a_jpg.rf.1"]
    assert np.array_equal(mask, np.array([0, 2, 1], np.uint8)[MASK])
    assert "1 of 2 pictures have no mask, and are left out" in caplog.text


@pytest.mark.parametrize("names", ["", "crack\n", "300, crack\n", "x, crack\n", "1, lane\n"])
def test_a_table_of_roboflow_that_says_something_else_is_told(tmp_path: Path, names: str) -> None:
    with pytest.raises(InputError, match="not a table of Pixel Value and Class|'lane' is none of the classes"):
        read(roboflow(tmp_path / "set", names))


def test_of_a_data_set_in_parts_the_one_to_name_is_told(tmp_path: Path) -> None:
    roboflow(tmp_path / "set/train")
    with pytest.raises(InputError, match=r"no masks in it .they are in .*set/train"):
        read(tmp_path / "set")


def test_numbers_of_roboflow_that_have_no_name_are_told(tmp_path: Path) -> None:
    folder = roboflow(tmp_path / "set")
    assert cv2.imwrite(str(folder / "a_jpg.rf.1_mask.png"), MASK.astype(np.uint16) * 300)
    with pytest.raises(InputError, match=r"the number 300 is not in _classes\.csv"):
        read(folder)


def test_numbers_of_classes_are_not_taken_for_numbers_of_objects(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="says of objects not which is which"):
        read(roboflow(tmp_path / "set"), instances=True)


def test_a_number_that_roboflow_names_as_ignored_belongs_to_no_class(tmp_path: Path) -> None:
    found = read(roboflow(tmp_path / "set", "0, background\n1, crack\n2, __ignore__\n"), None)
    assert found.own is not None and found.own.names == ("background", "crack")
    assert np.array_equal(masks(found)["a_jpg.rf.1"], np.array([0, 1, 255], np.uint8)[MASK])
