"""Data sets of LabelMe: what is learnt from is what was drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.cli import main
from streamseg.errors import InputError
from streamseg.evaluation.objects import find_labelled, read_objects
from streamseg.maskfile import read_mask
from tests.evaluation.outline_folders import CRACK, labelme, masks, png, read, write
from tests.evaluation.test_corrected import CLASSES, MASK, TWO, picture


@pytest.mark.parametrize(
    "crack",
    [
        {"points": [[3, 2], [9, 2], [9, 8], [3, 8]]},
        {"points": [[3, 2], [9, 8]], "shape_type": "rectangle"},
        {"points": [[9, 8], [3, 2]], "shape_type": "rectangle"},
        {"points": [[3, 2], [8, 7]], "shape_type": "mask", "mask": png(np.ones((6, 6), bool))},
    ],
)
def test_shapes_of_labelme_are_masks(tmp_path: Path, crack: dict[str, Any]) -> None:
    hole = {"label": "hole", "points": [[20, 10], [25, 10], [25, 15], [20, 15]], "shape_type": "polygon"}
    folder = labelme(tmp_path / "set", {"label": "crack", **crack}, hole)
    assert np.array_equal(masks(read(folder))["a"], MASK)


def test_a_circle_of_labelme_is_round(tmp_path: Path) -> None:
    shape = {"label": "crack", "points": [[15, 10], [15, 16]], "shape_type": "circle"}
    mask = masks(read(labelme(tmp_path / "set", shape)))["a"]
    y, x = np.mgrid[:20, :30] + 0.5
    far = np.hypot(x - 15, y - 10)
    assert (mask[far < 5.5] == 1).all() and (mask[far > 6.5] == 0).all()


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({"points": [[1, 1], [2, 2]], "shape_type": "line"}, "'crack' is a line of 2 points, no area"),
        ({"points": [[1, 1], [2, 2]]}, "a polygon of 2 points"),
        ({"points": [[1, 1], [2, None], [3, 3]]}, "no label, or no points"),
        ({"points": [[1, 1], [2, float("nan")], [3, 3]]}, "a point that is no number"),
        ({"points": [[1, 1], [2, 2]], "shape_type": "mask"}, "a mask is no picture"),
        ({"points": [[28, 1], [40, 2]], "shape_type": "mask", "mask": png(np.ones((2, 13), bool))}, "does not lie in"),
    ],
)
def test_what_labelme_says_that_is_no_area_is_told(tmp_path: Path, shape: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(labelme(tmp_path / "set", {"label": "crack", **shape}))


def test_a_group_of_labelme_is_one_object(tmp_path: Path) -> None:
    hole = {**CRACK, "points": [[20, 10], [25, 10], [25, 15], [20, 15]]}
    for number, (shapes, count) in enumerate(
        (([CRACK, hole], 2), ([{**CRACK, "group_id": 4}, {**hole, "group_id": 4}], 1))
    ):
        found = read(labelme(tmp_path / f"{number}/set", *shapes), TWO, instances=True)
        (each,) = find_labelled(found.pictures, found.masks)
        objects = read_objects(each, TWO.names, (20, 30))
        assert objects.numbers.max() == count and np.array_equal(objects.numbers > 0, MASK > 0)


@pytest.mark.parametrize("name", ["C:\\", "x/..", 3, "..\\pictures\\a.jpg"])
def test_labelme_may_call_its_picture_anything(tmp_path: Path, name: object) -> None:
    folder = labelme(tmp_path / "set", CRACK)
    write(folder / "a.json", json.dumps({"shapes": [CRACK], "imagePath": name}))
    assert read(folder).count == 1


def test_only_the_picture_that_was_drawn_on_is_taken(tmp_path: Path) -> None:
    folder = labelme(tmp_path / "set", CRACK)
    picture(folder / "a.png")
    write(folder / "classes.txt", "crack")
    found = read(folder)
    assert [path.name for path in found.pictures.iterdir()] == ["a.jpg"]
    assert found.count == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"shapes": [{"lab', "is not JSON, and lies where LabelMe writes its own"),
        (
            '{"shapes": [], "imageHeight": 200, "imageWidth": 300}',
            "was drawn on 300x200 pixels, and its picture has 30x20",
        ),
        ('{"shapes": [{"label": "", "points": []}]}', "a shape has no label"),
        (json.dumps({"shapes": [{**CRACK, "points": [[1, 1], [1e300, 2], [3, 3]]}]}), "corners far outside"),
    ],
)
def test_a_file_of_labelme_that_is_wrong_is_told(tmp_path: Path, text: str, says: str) -> None:
    write(labelme(tmp_path / "set", CRACK) / "a.json", text)
    with pytest.raises(InputError, match=says):
        read(tmp_path / "set")


def test_what_labelme_ignores_belongs_to_no_class(tmp_path: Path) -> None:
    """It is not learnt from, lies above what was drawn before, and is no object."""
    ignored = {"label": "__ignore__", "points": [[6, 2], [12, 8]], "shape_type": "rectangle"}
    expected = MASK.copy()
    expected[2:8, 6:12] = 255
    expected[MASK == 2] = 0
    for number, classes in enumerate((CLASSES, None)):
        found = read(labelme(tmp_path / f"{number}/set", CRACK, ignored), classes)
        assert np.array_equal(masks(found)["a"], expected)
    assert found.own is not None and found.own.names == ("background", "crack")
    for number, classes in enumerate((TWO, None), 2):
        found = read(labelme(tmp_path / f"{number}/set", CRACK, ignored), classes, instances=True)
        (each,) = find_labelled(found.pictures, found.masks)
        objects = read_objects(each, TWO.names, (20, 30))
        assert objects.numbers.max() == 1 and np.array_equal(objects.numbers > 0, MASK == 1)


def test_void_is_no_class_where_nothing_else_is_labelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Masks of 0 and 255 alone are those of a paint program elsewhere."""
    folder = labelme(tmp_path / "set", {**CRACK, "label": "__ignore__"})
    assert read(folder).void
    assert main(["eval", "otsu", str(folder), "--json"]) == 0
    told = capsys.readouterr()
    confusion = np.array(json.loads(told.out)["confusion"])
    assert confusion[1].sum() == 0 and confusion.sum() == 20 * 30 - (read_mask(tmp_path / "into/masks/a.png") > 0).sum()
    assert "255" not in told.err
