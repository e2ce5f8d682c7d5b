"""Masks in colours: a class is what the tool's table says of its colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.evaluation.corrected import bring_in
from streamseg.maskfile import read_mask
from streamseg.segmentation import Classes
from tests.evaluation.test_corrected import CLASSES, MASK, TWO, cvat, into, picture

__all__ = ["into"]


def test_masks_in_colours_of_the_tools_own_are_class_ids(
    tmp_path: Path, into: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = "# label:color_rgb:parts:actions\nhole:5,6,7::\nbackground:0,0,0::\ncrack:250,50,83::\n"
    found = bring_in(cvat(tmp_path / "set", {1: (250, 50, 83), 2: (5, 6, 7)}, labels), CLASSES, into)
    assert found.count == 1
    assert "1 of 2 pictures have no mask" in caplog.text
    assert [path.name for path in found.pictures.iterdir()] == ["a-000001.jpg"]
    assert np.array_equal(read_mask(found.masks / "a-000001.png"), MASK)


def test_black_is_void_where_a_model_has_no_background(tmp_path: Path, into: Path) -> None:
    classes = Classes(CLASSES.names, CLASSES.colours, None)
    folder = cvat(tmp_path / "set", {1: (250, 50, 83), 2: (224, 224, 192)}, "crack:250,50,83::\n")
    mask = read_mask(bring_in(folder, classes, into).masks / "a-000001.png")
    assert np.array_equal(mask, np.where(MASK == 1, 1, 255))


@pytest.mark.parametrize(
    ("labels", "said"),
    [("crack:250,50,83::\n", "the colour 5,6,7 is not in"), ("pit:1,2,3::\n", "'pit' is none of the classes")],
)
def test_what_the_model_does_not_know_is_one_line(labels: str, said: str, tmp_path: Path, into: Path) -> None:
    with pytest.raises(InputError, match=said):
        bring_in(cvat(tmp_path / "set", {1: (250, 50, 83), 2: (5, 6, 7)}, labels), CLASSES, into)


@pytest.mark.parametrize("colour", ["250,50,83", "0,0,0"])
def test_classes_of_one_colour_are_told(colour: str, tmp_path: Path, into: Path) -> None:
    labels = f"background:0,0,0::\ncrack:250,50,83::\nhole:{colour}::\n"
    with pytest.raises(InputError, match="'(crack|background)' and 'hole' have one colour"):
        bring_in(cvat(tmp_path / "set", {1: (250, 50, 83)}, labels), CLASSES, into)


@pytest.mark.parametrize("classes", [TWO, None])
def test_what_a_table_ignores_belongs_to_no_class(classes: Classes | None, tmp_path: Path, into: Path) -> None:
    labels = "background:0,0,0::\ncrack:250,50,83::\n__ignore__:5,6,7::\n"
    found = bring_in(cvat(tmp_path / "set", {1: (250, 50, 83), 2: (5, 6, 7)}, labels), classes, into)
    assert found.own is None or found.own.names == ("background", "crack")
    assert np.array_equal(read_mask(found.masks / "a-000001.png"), np.where(MASK == 2, 255, MASK))


def test_objects_are_numbered_by_their_colours(tmp_path: Path, into: Path) -> None:
    folder = cvat(tmp_path / "set", {1: (9, 9, 9), 2: (9, 9, 9)}, "crack:9,9,9::\n")
    colours = np.zeros((256, 3), np.uint8)
    colours[1], colours[2] = (0, 0, 128), (0, 128, 0)
    picture(folder / "SegmentationObject/a-000001.png", colours[MASK])
    numbers = read_mask(bring_in(folder, TWO, into, instances=True).masks / "a-000001.png")
    assert len(np.unique(numbers)) == 3
    assert np.array_equal(numbers > 0, MASK > 0)
    assert len(set(numbers[MASK == 1].tolist())) == len(set(numbers[MASK == 2].tolist())) == 1
