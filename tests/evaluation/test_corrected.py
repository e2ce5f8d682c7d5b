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
from streamseg.evaluation.objects import find_labelled, read_objects
from streamseg.maskfile import read_mask
from streamseg.segmentation import Classes
from tests.parts.picture_files import held
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
    assert not held_out(["a.jpg"]) and len(held_out(["a.jpg", "f.jpg"])) == 1  # their digests would hold out both


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


def change(folder: Path, **parts: object) -> Path:
    """The same folder, whose JSON says something else."""
    path = folder / "annotations/instances_default.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **parts}))
    return folder


def annotation(**parts: object) -> dict[str, object]:
    return {"id": 1, "image_id": 7, "category_id": 3, "segmentation": [[3, 2, 9, 2, 9, 8, 3, 8]], **parts}


@pytest.mark.parametrize(
    "name", ["train/a.jpg", "images\\a.jpg", "C:\\sets\\a.jpg", "/data/local-files/images/a.jpg", "../a.jpg"]
)
def test_a_picture_is_found_under_the_names_that_tools_give_it(name: str, tmp_path: Path, into: Path) -> None:
    images = [{"id": 7, "file_name": name, "width": 30, "height": 20}]
    assert bring_in(change(coco(tmp_path / "set"), images=images), TWO, into).count == 1


def test_pictures_of_cocos_parts_lie_in_folders_of_their_own(tmp_path: Path, into: Path) -> None:
    folder = coco(tmp_path / "set")
    (folder / "images/part").mkdir()
    (folder / "images/a.jpg").rename(folder / "images/part/a.jpg")
    found = bring_in(folder, TWO, into)
    assert [path.name for path in found.pictures.iterdir()] == ["part-a.jpg"]
    (tmp_path / "other").mkdir()
    objects = bring_in(folder, TWO, tmp_path / "other", instances=True)
    assert [each.image.name for each in find_labelled(objects.pictures, objects.masks)] == ["part-a.jpg"]
    picture(folder / "images/else/a.jpg")
    with pytest.raises(InputError, match="there more than once"):
        bring_in(folder, TWO, tmp_path)


def test_what_is_marked_as_a_crowd_is_of_its_class(
    tmp_path: Path, into: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rle = {"size": [20, 30], "counts": [62, 6, 14, 6, 14, 6, 14, 6, 14, 6, 14, 6, 432]}
    crowd = annotation(segmentation=rle, iscrowd=1)
    folder = change(coco(tmp_path / "set"), annotations=[crowd])
    mask = read_mask(bring_in(folder, TWO, into).masks / "a.png")
    assert np.array_equal(mask, MASK == 1)
    for number, (others, count) in enumerate((([], 1), ([annotation(id=2)], 1))):
        home = tmp_path / str(number)
        home.mkdir()
        found = bring_in(change(folder, annotations=[crowd, *others]), TWO, home, instances=True)
        (each,) = find_labelled(found.pictures, found.masks)
        assert len(read_objects(each, TWO.names, (20, 30)).class_ids) == 1 + count
        assert ("marked as crowds" in caplog.text) == bool(others)


def test_of_several_files_of_json_the_outlines_are_taken(tmp_path: Path, into: Path) -> None:
    folder = coco(tmp_path / "set")
    (folder / "annotations/captions.json").write_text('{"images": [], "annotations": []}')
    (folder / "another.json").write_text("{}")
    assert bring_in(folder, TWO, into).count == 1
    other = folder / "annotations/instances_more.json"
    other.write_bytes((folder / "annotations/instances_default.json").read_bytes())
    with pytest.raises(InputError, match=r"instances_default\.json and instances_more\.json are both"):
        bring_in(folder, TWO, tmp_path)


def test_a_category_that_only_stands_above_others_is_no_class(tmp_path: Path, into: Path) -> None:
    above = [{"id": 0, "name": "cracks"}, {"id": 3, "name": "crack", "supercategory": "cracks"}]
    found = bring_in(change(coco(tmp_path / "set"), categories=above), None, into)
    assert found.own is not None and found.own.names == ("background", "crack")


def test_what_a_tool_calls_background_is_the_background(tmp_path: Path, into: Path) -> None:
    categories = [{"id": 3, "name": "crack"}, {"id": 4, "name": "Background"}]
    above = annotation(id=2, category_id=4, segmentation=[[6, 2, 9, 2, 9, 8, 6, 8]])
    folder = change(coco(tmp_path / "set"), categories=categories, annotations=[annotation(), above])
    for number, classes in enumerate((TWO, None)):
        (into / str(number)).mkdir()
        mask = read_mask(bring_in(folder, classes, into / str(number)).masks / "a.png")
        assert mask.sum() == 18 and not mask[:, 6:].any()


def test_where_nothing_is_labelled_it_is_said(tmp_path: Path, into: Path, caplog: pytest.LogCaptureFixture) -> None:
    bring_in(change(coco(tmp_path / "set"), annotations=[]), TWO, into)
    assert "nothing is labelled in any of its pictures" in caplog.text


def test_two_pictures_for_one_mask_are_told(tmp_path: Path, into: Path) -> None:
    folder = cvat(tmp_path / "set", {1: (250, 50, 83)}, "crack:250,50,83::\n")
    picture(folder / "SegmentationClass/a-000001.png", np.zeros((20, 30, 3), np.uint8))
    picture(folder / "JPEGImages/a-000001.png")
    with pytest.raises(InputError, match="another picture is called a-000001 as well"):
        bring_in(folder, CLASSES, into)


def test_a_mask_of_another_size_is_told_with_its_picture(tmp_path: Path, into: Path) -> None:
    picture(tmp_path / "set/images/a.jpg")
    picture(tmp_path / "set/masks/a.png", MASK[:, :20])
    with pytest.raises(InputError, match=r"set/images/a\.jpg: is 30x20, and its mask 20x20"):
        bring_in(tmp_path / "set", CLASSES, into)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize("how", [1, 3, 6])
def test_a_picture_that_its_camera_turned_has_a_mask_as_it_is_seen(
    how: int, name: str, tmp_path: Path, into: Path
) -> None:
    (tmp_path / "set/images").mkdir(parents=True)
    held(tmp_path / "set/images" / name, how, np.full((20, 30, 3), 90, np.uint8))
    seen, other = (MASK.T, MASK) if how == 6 else (MASK, MASK.T)
    picture(tmp_path / "set/masks/a.png", np.ascontiguousarray(seen))
    assert bring_in(tmp_path / "set", CLASSES, into).count == 1
    picture(tmp_path / "set/masks/a.png", np.ascontiguousarray(other))
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match=r"set/images/a\..*: is .*, and its mask") as caught:
        bring_in(tmp_path / "set", CLASSES, tmp_path / "other")
    assert ("Exif" in str(caught.value.hint)) == (how == 6)


def test_masks_are_no_pictures_and_neither_is_what_a_mac_leaves(
    tmp_path: Path, into: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture(tmp_path / "set/a.jpg")
    picture(tmp_path / "set/masks/a.png", MASK)
    for name in ("._a.jpg", "masks/._a.png"):
        (tmp_path / "set" / name).write_bytes(bytes((0, 5, 22, 7)))
    assert bring_in(tmp_path / "set", CLASSES, into).count == 1
    assert not caplog.text


def test_masks_may_lie_in_folders_below(tmp_path: Path, into: Path) -> None:
    folder = cvat(tmp_path / "set", {1: (250, 50, 83), 2: (5, 6, 7)}, "\ufeffcrack:250,50,83::\r\nhole:5,6,7::\r\n")
    for part in ("JPEGImages", "SegmentationClass"):
        (folder / part).rename(folder / "moved")
        (folder / part).mkdir()
        (folder / "moved").rename(folder / part / "belt")
    found = bring_in(folder, CLASSES, into)
    assert np.array_equal(read_mask(found.masks / "belt-a-000001.png"), MASK)


@pytest.mark.parametrize(
    ("names", "says"), [(["crack\n"], "is no name of a class"), ([f"c{n}" for n in range(300)], "254 fit beside")]
)
def test_classes_that_no_model_can_have_are_told(names: list[str], says: str, tmp_path: Path, into: Path) -> None:
    categories = [{"id": 3 + number, "name": name} for number, name in enumerate(names)]
    with pytest.raises(InputError, match=says):
        bring_in(change(coco(tmp_path / "set"), categories=categories), None, into)
