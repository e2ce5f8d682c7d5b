"""Folders as labelling tools export them: what is learnt from and scored is what they say."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.evaluation.corrected import bring_in, held_out
from streamseg.maskfile import read_mask
from streamseg.segmentation import Classes
from tests.sinks.test_dataset import keep, shown
from tests.sinks.test_jsonl import cells

CLASSES = Classes(("surface", "crack", "hole"), np.array([[0, 0, 0], [10, 20, 230], [0, 200, 0]], np.uint8), 0)
TWO = Classes(("surface", "crack"), np.array([[0, 0, 0], [10, 20, 230]], np.uint8), 0)
MASK = np.zeros((20, 30), np.uint8)
MASK[2:8, 3:9], MASK[10:15, 20:25] = 1, 2


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def picture(path: Path, image: NDArray[np.uint8] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((20, 30, 3), 90, np.uint8) if image is None else image)


def cvat(folder: Path, colours: dict[int, tuple[int, int, int]], labels: str) -> Path:
    """What CVAT exports: masks in colours, its own."""
    picture(folder / "JPEGImages/a-000001.jpg")
    picture(folder / "JPEGImages/a-000002.jpg")
    table = np.zeros((256, 3), np.uint8)
    for number, (red, green, blue) in colours.items():
        table[number] = blue, green, red
    picture(folder / "SegmentationClass/a-000001.png", table[MASK])
    (folder / "labelmap.txt").write_text(labels)
    return folder


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


def test_objects_are_numbered_by_their_colours(tmp_path: Path, into: Path) -> None:
    folder = cvat(tmp_path / "set", {1: (9, 9, 9), 2: (9, 9, 9)}, "crack:9,9,9::\n")
    colours = np.zeros((256, 3), np.uint8)
    colours[1], colours[2] = (0, 0, 128), (0, 128, 0)
    picture(folder / "SegmentationObject/a-000001.png", colours[MASK])
    numbers = read_mask(bring_in(folder, TWO, into, instances=True).masks / "a-000001.png")
    assert len(np.unique(numbers)) == 3
    assert np.array_equal(numbers > 0, MASK > 0)
    assert len(set(numbers[MASK == 1].tolist())) == len(set(numbers[MASK == 2].tolist())) == 1


def coco(folder: Path) -> Path:
    pytest.importorskip("pycocotools", reason="reads COCO's JSON")
    picture(folder / "images/a.jpg")
    box = [3, 2, 9, 2, 9, 8, 3, 8]
    tree = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 30, "height": 20}],
        "categories": [{"id": 3, "name": "crack"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 3,
                "segmentation": [box],
                "bbox": [3, 2, 6, 6],
                "area": 36,
                "iscrowd": 0,
            }
        ],
    }
    (folder / "annotations").mkdir()
    (folder / "annotations/instances_default.json").write_text(json.dumps(tree))
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cocos_json_is_class_ids_or_for_objects_itself(tmp_path: Path, into: Path) -> None:
    folder = coco(tmp_path / "set")
    found = bring_in(folder, TWO, into)
    assert (read_mask(found.masks / "a.png")[3:7, 4:8] == 1).all()
    assert read_mask(found.masks / "a.png").sum() in range(36, 50)
    (tmp_path / "other").mkdir()
    assert bring_in(folder, TWO, tmp_path / "other", instances=True).masks.suffix == ".json"


def test_pngs_of_class_ids_are_taken_and_another_correction_has_another_digest(tmp_path: Path, into: Path) -> None:
    folder, digests = tmp_path / "set", []
    picture(folder / "images/a.jpg")
    for at, mask in enumerate((MASK, MASK, np.roll(MASK, 1))):
        picture(folder / "masks/a.png", mask)
        (into / str(at)).mkdir()
        digests.append(bring_in(folder, CLASSES, into / str(at)).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("made", ["", "JPEGImages/a.jpg", "masks/a.png"])
def test_a_folder_without_pairs_is_one_line(made: str, tmp_path: Path, into: Path) -> None:
    with pytest.raises(InputError):
        bring_in(tmp_path / "set", CLASSES, into)
    if made:
        picture(tmp_path / "set" / made)
    with pytest.raises(InputError):
        bring_in(tmp_path / "set", CLASSES, into)


def test_what_is_held_out_stays_held_out_when_pictures_are_added() -> None:
    names = [f"belt-{number:06d}.jpg" for number in range(500)]
    first = set(held_out(names[:250]))
    assert first <= set(held_out(names))
    assert 0.12 < len(held_out(names)) / 500 < 0.28
    assert [len(held_out(names[:count])) for count in (0, 1, 2)] == [0, 0, 1]


def test_what_an_output_kept_is_read_as_it_was_found(tmp_path: Path, into: Path) -> None:
    keep(f"dataset:{tmp_path}/set", shown(0), shown(1))
    found = bring_in(tmp_path / "set", TWO, into)
    assert found.count == 2
    for path in found.masks.iterdir():
        assert np.array_equal(read_mask(path), read_mask(tmp_path / "set/SegmentationClass" / path.name))
    keep(f"dataset:{tmp_path}/cells?every=1s", cells())
    (tmp_path / "other").mkdir()
    classes = cells().segmentation.classes
    three = bring_in(tmp_path / "cells", classes, tmp_path / "other")
    (name,) = three.masks.iterdir()
    assert np.array_equal(read_mask(name), read_mask(tmp_path / "cells/SegmentationClass" / name.name))
