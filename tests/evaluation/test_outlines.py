"""Data sets of YOLO, LabelMe and Roboflow: what is learnt from is what was drawn."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import supervision
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.evaluation.corrected import Corrected, bring_in
from streamseg.evaluation.objects import find_labelled, read_objects
from streamseg.maskfile import read_mask
from tests.evaluation.test_corrected import CLASSES, MASK, TWO, picture
from tests.sinks.test_dataset import keep, shown

BOX = "0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4"
"""Columns 3 to 8 and rows 2 to 7 of a picture of 30x20, as in `MASK`."""
HOLE = "0.666667 0.5 0.833333 0.5 0.833333 0.75 0.666667 0.75"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(folder: Path, classes: Any = CLASSES, *, instances: bool = False) -> Corrected:
    into = folder.with_name("into")
    into.mkdir()
    return bring_in(folder, classes, into, instances=instances)


def masks(found: Corrected) -> dict[str, NDArray[np.uint8]]:
    return {path.stem: np.asarray(read_mask(path), np.uint8) for path in found.masks.iterdir()}


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/train/a.jpg", "labels/train/a.txt"),
        ("train/images/a.jpg", "train/labels/a.txt"),
        ("images/day/images/a.jpg", "images/day/labels/a.txt"),
        ("obj_train_data/a.jpg", "obj_train_data/a.txt"),
    ],
)
@pytest.mark.parametrize("about", ["names: [crack, hole]", "path: ../x\nnames:\n  1: hole\n  0: crack\n"])
def test_outlines_of_yolo_lie_where_its_trainers_look_for_them(
    tmp_path: Path, image: str, label: str, about: str
) -> None:
    picture(tmp_path / "set" / image)
    write(tmp_path / "set" / label, f"0 {BOX}\n\n1 {HOLE}\n")
    write(tmp_path / "set/data.yaml", about)
    found = read(tmp_path / "set")
    assert found.own is None
    assert np.array_equal(masks(found)["a"], MASK)


def test_names_may_lie_in_a_list_and_a_picture_without_labels_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / f"set/images/{name}.jpg")
    write(tmp_path / "set/labels/a.txt", f"1 {HOLE}")
    write(tmp_path / "set/labels/b.txt", "")
    write(tmp_path / "set/classes.txt", "crack\nhole\n")
    found = masks(read(tmp_path / "set"))
    assert "1 of 3 pictures have no outlines, and are left out" in caplog.text
    assert {name: mask.max() for name, mask in found.items()} == {"a": 2, "b": 0}


def test_pictures_of_two_parts_that_are_called_alike_stay_apart(tmp_path: Path) -> None:
    for part, number in (("train", 0), ("valid", 1)):
        picture(tmp_path / f"set/{part}/images/a.jpg")
        write(tmp_path / f"set/{part}/labels/a.txt", f"{number} {BOX}")
    write(tmp_path / "set/data.yaml", "names: [crack, hole]")
    found = masks(read(tmp_path / "set"))
    assert {name: mask.max() for name, mask in found.items()} == {"train-images-a": 1, "valid-images-a": 2}


def test_what_the_output_yolo_writes_is_read_as_it_was_found(tmp_path: Path) -> None:
    one = shown(0)
    keep(f"yolo:{tmp_path}/set", one)
    (mask,) = masks(read(tmp_path / "set", one.segmentation.classes)).values()
    large = cv2.resize(one.segmentation.labels, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(mask, large)


def test_a_data_set_that_supervision_writes_is_read(tmp_path: Path) -> None:
    name = str(tmp_path / "made/a.png")
    picture(Path(name))
    each = [MASK == 1, MASK == 2]
    corners = supervision.mask_to_xyxy(np.array(each))
    detections = supervision.Detections(xyxy=corners, mask=np.array(each), class_id=np.array([0, 1]))
    made = supervision.DetectionDataset(["crack", "hole"], [name], {name: detections})
    home = tmp_path / "set"
    made.as_yolo(str(home / "images"), str(home / "labels"), str(home / "data.yaml"))
    mask = masks(read(home))["a"]
    wrong = cv2.dilate(np.uint8(mask != MASK), np.ones((2, 2), np.uint8))  # its corners are the centres of pixels
    assert set(np.unique(mask)) == {0, 1, 2}
    assert not cv2.erode(wrong, np.ones((3, 3), np.uint8)).any()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 0.5 0.5 0.2 0.2", "a.txt:1: a box, not an outline"),
        ("0 0.1 0.1 0.2 0.2 0.3", "5 numbers are no outline"),
        ("0 0.1 0.1 0.2 0.2", "a box"),
        (f"7 {BOX}", "class 7 has no name .crack, hole are named"),
        (f"crack {BOX}", "not a line such as"),
        ("0 10 10 20 10 20 20", "shares of the picture"),
        ("0 nan 0.1 0.2 0.2 0.3 0.3", "shares of the picture"),
        ("", "'street' is none of the classes"),
    ],
)
def test_what_is_no_outline_is_told_with_its_line(tmp_path: Path, line: str, says: str) -> None:
    picture(tmp_path / "set/images/a.jpg")
    write(tmp_path / "set/labels/a.txt", line or f"0 {BOX}")
    write(tmp_path / "set/data.yaml", "names: [crack, hole]" if line else "names: [street]")
    with pytest.raises(InputError, match=says):
        read(tmp_path / "set")


@pytest.mark.parametrize("about", ["", "names: 2", "nc: 2", "names: {a: crack}", "- crack"])
def test_a_table_without_names_is_told(tmp_path: Path, about: str) -> None:
    picture(tmp_path / "set/images/a.jpg")
    write(tmp_path / "set/labels/a.txt", f"0 {BOX}")
    write(tmp_path / "set/data.yaml", about)
    with pytest.raises(InputError, match=r"data\.yaml: has no `names` of classes"):
        read(tmp_path / "set")


def labelme(folder: Path, *shapes: dict[str, Any]) -> Path:
    picture(folder / "a.jpg")
    write(folder / "a.json", json.dumps({"version": "6.3.1", "shapes": shapes, "imagePath": "a.jpg"}))
    return folder


def png(mask: NDArray[np.bool_]) -> str:
    return base64.b64encode(cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()).decode()


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


def roboflow(folder: Path, names: str = "0, background\n1, crack\n2, hole\n") -> Path:
    picture(folder / "a_jpg.rf.1.jpg")
    assert cv2.imwrite(str(folder / "a_jpg.rf.1_mask.png"), MASK)
    write(folder / "_classes.csv", f"Pixel Value, Class\n{names}")
    return folder


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


def test_classes_may_be_those_that_the_folder_names(tmp_path: Path) -> None:
    picture(tmp_path / "yolo/images/a.jpg")
    write(tmp_path / "yolo/labels/a.txt", f"1 {BOX}")
    write(tmp_path / "yolo/data.yaml", "names: [hole, crack, rust]")
    for folder, names in (
        (tmp_path / "yolo", ("background", "hole", "crack", "rust")),
        (roboflow(tmp_path / "robo/set"), ("background", "crack", "hole")),
        (labelme(tmp_path / "me/set", {"label": "weld", "points": [[1, 1], [9, 1], [9, 9]]}), ("background", "weld")),
    ):
        found = read(folder, None)
        assert found.own is not None and found.own.names == names and found.own.background == 0
    keep(f"dataset:{tmp_path}/voc/set", shown(0))
    assert read(tmp_path / "voc/set", None).own.names == ("background", "crack")  # type: ignore[union-attr]
    picture(tmp_path / "plain/set/images/a.png")
    picture(tmp_path / "plain/set/masks/a.png")
    with pytest.raises(InputError, match="names no classes"):
        read(tmp_path / "plain/set", None)


def test_of_objects_each_stays_by_itself(tmp_path: Path) -> None:
    picture(tmp_path / "set/images/a.jpg")
    write(tmp_path / "set/labels/a.txt", f"0 {BOX}\n0 {HOLE}\n")
    write(tmp_path / "set/data.yaml", "names: [crack]")
    found = read(tmp_path / "set", TWO, instances=True)
    (each,) = find_labelled(found.pictures, found.masks)
    assert [int((read_objects(each, TWO.names, (20, 30)).numbers == number).sum()) for number in (1, 2)] == [36, 25]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_editors_of_windows_leave_names_and_lines_as_they_are(tmp_path: Path, mark: str) -> None:
    picture(tmp_path / "set/images/Ein Riß.JPG")
    write(tmp_path / "set/labels/Ein Riß.txt", f"{mark}0.0 {BOX}\r\n2 {HOLE}\r\n")
    write(tmp_path / "set/classes.txt", f"{mark}crack\r\n\r\nhole\r\n")
    assert np.array_equal(masks(read(tmp_path / "set"))["Ein Riß"], MASK)


def test_small_things_of_yolo_lie_above_large_ones(tmp_path: Path) -> None:
    picture(tmp_path / "set/images/a.jpg")
    write(tmp_path / "set/labels/a.txt", f"1 {HOLE}\n0 0 0 1 0 1 1 0 1\n")
    write(tmp_path / "set/data.yaml", "names: [crack, hole]")
    assert np.array_equal(masks(read(tmp_path / "set"))["a"], np.where(MASK == 2, 2, 1))


def test_folders_may_be_links_and_hidden_files_are_none(tmp_path: Path) -> None:
    picture(tmp_path / "disk/images/a.jpg")
    write(tmp_path / "disk/labels/a.txt", f"0 {BOX}")
    write(tmp_path / "set/data.yaml", "names: [crack]")
    for part in ("images", "labels"):
        (tmp_path / "set" / part).symlink_to(tmp_path / "disk" / part)
    (tmp_path / "disk/images/round").symlink_to(tmp_path / "disk/images")
    for name in ("images/._a.jpg", "labels/._a.txt"):
        write(tmp_path / "disk" / name, "of a Mac")
    assert list(masks(read(tmp_path / "set", TWO))) == ["a"]


def test_a_link_to_no_picture_is_told(tmp_path: Path) -> None:
    write(tmp_path / "set/labels/a.txt", f"0 {BOX}")
    write(tmp_path / "set/data.yaml", "names: [crack]")
    (tmp_path / "set/images").mkdir()
    (tmp_path / "set/images/a.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(InputError, match=r"a\.jpg: no such file"):
        read(tmp_path / "set")


@pytest.mark.parametrize("names", [("x-y/a.jpg", "x/y-a.jpg"), ("a.jpg", "a.png")])
def test_pictures_that_would_be_called_alike_are_told(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        picture(tmp_path / "set/images" / name)
        write((tmp_path / "set/labels" / name).with_suffix(".txt"), f"0 {BOX}")
    write(tmp_path / "set/data.yaml", "names: [crack]")
    with pytest.raises(InputError, match=f"{names[1]}: would be called .*{names[0]} is|{names[0]}: would be called"):
        read(tmp_path / "set")


CRACK: dict[str, Any] = {"label": "crack", "points": [[3, 2], [9, 2], [9, 8], [3, 8]]}


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


def test_numbers_of_roboflow_that_have_no_name_are_told(tmp_path: Path) -> None:
    folder = roboflow(tmp_path / "set")
    assert cv2.imwrite(str(folder / "a_jpg.rf.1_mask.png"), MASK.astype(np.uint16) * 300)
    with pytest.raises(InputError, match=r"the number 300 is not in _classes\.csv"):
        read(folder)
