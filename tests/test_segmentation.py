from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.segmentation import Classes, Instances, Segmentation, find_class

STREET = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]


def classes(*names: str) -> Classes:
    return Classes(names, np.zeros((len(names), 3), np.uint8))


def found(name: str, *names: str) -> str:
    return names[find_class(classes(*names), name)]


@pytest.mark.parametrize(
    ("asked", "is_called"),
    [
        ("car", "car"),
        ("Cars", "car"),
        ("vehicle", "car"),
        ("person", "pedestrian"),
        ("Person", "pedestrian"),
        ("persons", "pedestrian"),
        ("people", "pedestrian"),
        ("human", "pedestrian"),
        ("bicycle", "bicyclist"),
        ("bikes", "bicyclist"),
        ("sidewalk", "pavement"),
        ("traffic-sign", "sign"),
    ],
)
def test_a_class_is_found_by_other_words_for_it(asked: str, is_called: str) -> None:
    assert found(asked, *STREET) == is_called


def test_its_own_name_goes_before_any_other_word() -> None:
    assert found("person", "pedestrian", "person") == "person"
    assert found("Person", "person", "Person") == "Person"
    assert found("glass", "glas", "glass") == "glass"
    assert found("traffic_light", "traffic light") == "traffic light"
    assert found("nuclei", "background", "nucleus") == "nucleus"


def test_a_class_that_is_not_there_is_one_line_with_what_comes_near() -> None:
    with pytest.raises(InputError, match=r"no class 'pedestriaan' \(did you mean pedestrian"):
        find_class(classes(*STREET), "pedestriaan")
    with pytest.raises(InputError, match=r"no class 'persn' \(did you mean person"):
        find_class(classes(*STREET), "persn")
    with pytest.raises(InputError, match=r"no class 'zebra' \(it has background, person\)"):
        find_class(classes("background", "person"), "zebra")
    with pytest.raises(InputError, match=r"it has c0, .*, c11 … \(200 in all\)\)$"):
        find_class(classes(*(f"c{number}" for number in range(200))), "zebra")


@pytest.mark.parametrize("labels", [np.zeros((0, 0), np.uint8), np.zeros((0, 4), np.uint8), [[0]], np.zeros((2, 2))])
def test_labels_that_no_picture_can_have_are_refused(labels: object) -> None:
    """Enlarging an empty plane would end the process without a word."""
    with pytest.raises(ValueError, match=r"labels are \(h, w\) uint8"):
        Segmentation(labels, classes("a"), 0, 0.0)  # type: ignore[arg-type]


def test_colours_that_are_no_array_are_named() -> None:
    with pytest.raises(ValueError, match=r"colours are \(1, 3\) uint8, not list"):
        Classes(("a",), [[0, 0, 0]])  # type: ignore[arg-type]


def test_objects_are_printed_in_one_short_line() -> None:
    number = 30
    found = Instances(
        np.arange(number, dtype=np.int32) % 3, np.ones(number, np.float32), np.zeros((number, 4), np.float32),
        np.zeros((number, 28, 28), np.float32), np.full(number, -1, np.int32),
    )  # fmt: skip
    assert repr(found) == "Instances(30, class_ids=[0, 1, 2])"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"background": 2}, "the background is a class, 0 to 1, or None, not 2"),
        ({"background": -1}, "the background is a class, 0 to 1, or None, not -1"),
        ({"background": "a"}, "the background is a class, 0 to 1, or None, not a"),
        ({"ignore_index": 256}, "the id of no class is 0 to 255, or None, not 256"),
        ({"ignore_index": -1}, "the id of no class is 0 to 255, or None, not -1"),
    ],
)
def test_ids_that_no_class_can_have_are_refused(wrong: dict[str, Any], said: str) -> None:
    colours = np.zeros((2, 3), np.uint8)
    with pytest.raises(ValueError, match=said):
        Classes(("a", "b"), colours, **wrong)
    assert Classes(("a", "b"), colours, background=np.int64(1), ignore_index=None).background == 1


GIVEN: dict[str, Any] = {
    "class_ids": np.ones(2, np.int32),
    "scores": np.ones(2, np.float32),
    "boxes": np.array([[1, 2, 9, 8], [3, 3, 7, 7]], np.float32),
    "masks": np.ones((2, 4, 4), np.float32),
    "track_ids": np.full(2, -1, np.int32),
}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"masks": np.ones((2, 4, 4), bool)}, "masks are .2, m, m. float32 of 0 to 1 over .*, not .2, 4, 4. bool"),
        ({"masks": np.ones((2, 4, 4), np.float16)}, "not .2, 4, 4. float16"),
        ({"masks": np.ones((2, 4), np.float32)}, r"aligned arrays, not .*and masks \(2, 4\)"),
        ({"class_ids": np.ones(2, np.float32)}, "ids are int32, scores and boxes float32, not float32, float32"),
        ({"boxes": GIVEN["boxes"].astype(str)}, "not int32, float32, <U"),
        ({"scores": [0.5, 0.5]}, "NumPy's arrays, not int32, list, float32, int32"),
        ({"boxes": np.ones((2, 5), np.float32)}, "2 instances need aligned arrays"),
    ],
)
def test_objects_that_cannot_be_drawn_are_refused_where_they_are_made(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Instances(**{**GIVEN, **wrong})


def test_objects_may_be_of_wider_numbers() -> None:
    wide = {name: value.astype(np.int64 if value.dtype.kind == "i" else np.float64) for name, value in GIVEN.items()}
    assert Instances(**wide).mask(0, (10, 10)).sum() == 6 * 8
    assert len(Instances(**{name: value[:0] for name, value in wide.items()})) == 0
