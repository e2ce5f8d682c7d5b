"""Data sets of YOLO, and what holds for all outlines: what is learnt from is what was drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision

from streamseg.errors import InputError
from streamseg.evaluation.corrected import bring_in, held_out, held_out_of
from streamseg.evaluation.objects import find_labelled, read_objects
from tests.evaluation.outline_folders import BOX, HOLE, labelme, masks, read, roboflow, write
from tests.evaluation.test_corrected import MASK, TWO, picture
from tests.sinks.test_dataset import keep, shown


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


@pytest.mark.parametrize("names", ["[no, 1.10, ~]", "{2: ~, 0: no, 1: 1.10}"])
def test_names_that_yaml_takes_for_something_else_are_names_as_written(tmp_path: Path, names: str) -> None:
    picture(tmp_path / "set/a.jpg")
    write(tmp_path / "set/a.txt", f"0 {BOX}")
    write(tmp_path / "set/data.yaml", f"names: {names}")
    own = read(tmp_path / "set", None).own
    assert own is not None and own.names == ("background", "no", "1.10", "~")


def test_pictures_of_two_parts_that_are_called_alike_stay_apart(tmp_path: Path) -> None:
    for part, number in (("train", 0), ("valid", 1)):
        picture(tmp_path / f"set/{part}/images/a.jpg")
        write(tmp_path / f"set/{part}/labels/a.txt", f"{number} {BOX}")
    write(tmp_path / "set/data.yaml", "names: [crack, hole]")
    found = masks(read(tmp_path / "set"))
    assert {name: mask.max() for name, mask in found.items()} == {"train-images-a": 1, "valid-images-a": 2}


def test_what_is_held_out_stays_so_when_another_folder_is_added(tmp_path: Path) -> None:
    def held(number: int) -> set[str]:
        into = tmp_path / f"into{number}"
        into.mkdir()
        found = bring_in(tmp_path / "set", None, into)
        return {name.rpartition("-")[2] for name in held_out_of(found.pictures) if "late" not in name}

    write(tmp_path / "set/data.yaml", "names: [crack]")
    for name in "abcdefghijkl":
        picture(tmp_path / f"set/images/early/{name}.jpg")
        write(tmp_path / f"set/labels/early/{name}.txt", f"0 {BOX}")
    before = held(1)
    picture(tmp_path / "set/images/late/a.jpg")
    write(tmp_path / "set/labels/late/a.txt", f"0 {BOX}")
    assert before == held(2) == set(held_out(f"{name}.jpg" for name in "abcdefghijkl"))


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
