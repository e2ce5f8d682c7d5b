"""COCO, CVAT, Label Studio and YOLO: what is written is what was found, as the tools' own readers or rules read it."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from streamseg.contracts import Controls, Existing, Shown
from streamseg.errors import InputError, OutputError
from streamseg.regions import regions
from streamseg.segmentation import Classes
from streamseg.sinks import open_sink
from streamseg.sinks.claims import check_files
from streamseg.sinks.labelstudio import brush_rle
from tests.parts.fakes import FILE
from tests.sinks.test_claims import NO_FILE
from tests.sinks.test_files import shown
from tests.sinks.test_jsonl import cells

FRAME = (120, 200)
DOCUMENTS = [("coco:{}/a.json", "a.json"), ("cvat:{}/a.xml", "a.xml"), ("labelstudio:{}/a.json", "a.json")]


def written(uri: str, *frames: Shown, existing: Existing = "refuse") -> None:
    sink = open_sink(uri, FILE, Controls(), existing=existing)
    for each in frames:
        sink.write(each)
    sink.close()


def planes(frame: Shown) -> list[NDArray[np.bool_]]:
    return [region.plane(FRAME) for region in regions(frame.segmentation, FRAME) if region.area]


def film(*indices: int) -> list[Shown]:
    return [dataclasses.replace(cells(), frame=dataclasses.replace(cells().frame, index=index)) for index in indices]


def of_file(file: str, page: int | None = None) -> Shown:
    return dataclasses.replace(cells(), frame=dataclasses.replace(cells().frame, file=file, page=page))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@pytest.mark.parametrize("masks", ["", "?masks=polygon"])
def test_pycocotools_reads_the_data_set(masks: str, tmp_path: Path) -> None:
    tools = pytest.importorskip("pycocotools.coco", reason="reads the data set back")
    written(f"coco:{tmp_path}/a.json{masks}", *film(0, 7), of_file("plate/p.tif", 2))
    data = tools.COCO(str(tmp_path / "a.json"))
    images = data.loadImgs(data.getImgIds())
    assert [image["file_name"] for image in images] == ["cells-000000.jpg", "cells-000007.jpg", "plate/p-002.png"]
    assert [category["name"] for category in data.loadCats(data.getCatIds())] == ["ground", "cell", "dirt"]
    for image in images:
        found = data.loadAnns(data.getAnnIds(imgIds=image["id"]))
        for annotation, plane in zip(found, planes(cells()), strict=True):
            drawn = data.annToMask(annotation).astype(bool)
            assert annotation["area"] == plane.sum()
            assert data.loadCats(annotation["category_id"])[0]["name"] == "cell"
            assert not (plane & ~drawn).any()
            assert masks or np.array_equal(drawn, plane)
        assert found[0]["track_id"] == 4


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_supervision_reads_the_data_set(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision", reason="reads the data set back")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "cells-000000.jpg"), np.zeros((*FRAME, 3), np.uint8))
    written(f"coco:{tmp_path}/a.json?masks=polygon", *film(0))
    read = supervision.DetectionDataset.from_coco(str(tmp_path / "images"), str(tmp_path / "a.json"), force_masks=True)
    (_, _, detections), *more = list(read)
    assert more == []
    assert len(detections) == 2
    assert {read.classes[number] for number in detections.class_id} == {"cell"}


def cvat_masks(image: ElementTree.Element) -> list[NDArray[np.bool_]]:
    found = []
    for mask in image.findall("mask"):
        left, top, width, height = (int(mask.attrib[key]) for key in ("left", "top", "width", "height"))
        counts = [int(count) for count in mask.attrib["rle"].split(",")]
        flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        plane = np.zeros(FRAME, bool)
        plane[top : top + height, left : left + width] = flat.reshape(height, width)
        found.append(plane)
    return found


def test_cvat_has_labels_images_and_masks_row_by_row(tmp_path: Path) -> None:
    written(f"cvat:{tmp_path}/a.xml", *film(0, 7))
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    assert root.findtext("version") == "1.1"
    assert [label.text for label in root.iter("name")] == ["streamseg", "ground", "cell", "dirt"]
    images = root.findall("image")
    assert [image.attrib["id"] for image in images] == ["0", "7"]
    assert [image.attrib["name"] for image in images] == ["cells-000000.jpg", "cells-000007.jpg"]
    for image in images:
        assert (image.attrib["width"], image.attrib["height"]) == ("200", "120")
        for mask, plane in zip(cvat_masks(image), planes(cells()), strict=True):
            assert np.array_equal(mask, plane)


def test_polygons_in_cvat_are_pairs_with_commas(tmp_path: Path) -> None:
    written(f"cvat:{tmp_path}/a.xml?masks=polygon", shown())
    (polygon,) = ElementTree.parse(tmp_path / "a.xml").getroot().iter("polygon")
    assert polygon.attrib["points"] == "0.00,0.00;0.00,12.00;8.00,12.00;8.00,0.00"
    assert polygon.attrib["label"] == "car"


def unpacked(packed: list[int]) -> NDArray[np.uint8]:
    """What @thi.ng/rle-pack gives of such bytes."""
    bits = "".join(f"{byte:08b}" for byte in packed)
    place = 0

    def read(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    total, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        run = read(1)
        length = read(sizes[read(2)]) + 1
        values += [read(word)] * length if run else [read(word) for _ in range(length)]
    return np.array(values, np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_brush_masks_are_packed_pictures(seed: int) -> None:
    dice = np.random.default_rng(seed)
    mask = np.zeros((150, 300), bool) if seed == 0 else dice.random((150, 300)) < 0.002 * 4**seed
    mask[20:40, 30:90] = seed != 0
    assert np.array_equal(unpacked(brush_rle(mask)).reshape(150, 300, 4)[..., 3] == 255, mask)


def test_label_studio_reads_tasks_with_predictions(tmp_path: Path) -> None:
    written(f"labelstudio:{tmp_path}/a.json", *film(0), of_file("p.png"))
    tasks: list[dict[str, Any]] = json.loads((tmp_path / "a.json").read_text())
    assert [task["data"]["image"] for task in tasks] == ["cells-000000.jpg", "p.png"]
    for result, plane in zip(tasks[0]["predictions"][0]["result"], planes(cells()), strict=True):
        assert (result["type"], result["from_name"], result["to_name"]) == ("brushlabels", "label", "image")
        assert (result["original_width"], result["original_height"]) == (200, 120)
        assert result["value"]["brushlabels"] == ["cell"]
        assert np.array_equal(unpacked(result["value"]["rle"]).reshape(*FRAME, 4)[..., 0] > 0, plane)


def test_polygons_in_label_studio_are_percents_of_the_picture(tmp_path: Path) -> None:
    written(f"labelstudio:{tmp_path}/a.json?masks=polygon", shown())
    (task,) = json.loads((tmp_path / "a.json").read_text())
    (result,) = task["predictions"][0]["result"]
    assert result["value"] == {"points": [[0, 0], [0, 50], [25, 50], [25, 0]], "closed": True, "polygonlabels": ["car"]}


def test_yolo_has_pictures_polygons_and_its_names(tmp_path: Path) -> None:
    written(f"yolo:{tmp_path}/set", *film(0), of_file("in/p.png"), of_file("in/p.jpg"))
    folder = tmp_path / "set"
    about = yaml.safe_load((folder / "data.yaml").read_text())
    assert about["names"] == {0: "ground", 1: "cell", 2: "dirt"}
    pictures = {path.relative_to(folder / "images/train").as_posix() for path in folder.glob("images/**/*.jpg")}
    labels = {path.relative_to(folder / "labels/train").as_posix() for path in folder.glob("labels/**/*.txt")}
    assert pictures == {"cells-000000.jpg", "in/p.jpg", "in/p-2.jpg"}
    assert labels == {name.replace(".jpg", ".txt") for name in pictures}
    for part in ("train", "val"):  # below the file's own folder, where Ultralytics looks when it names no other
        seen = {path.relative_to(folder).as_posix() for path in (folder / about[part]).rglob("*.jpg")}
        assert len(seen) == 3
        beside = {name.replace("images/", "labels/", 1).removesuffix(".jpg") + ".txt" for name in seen}
        assert all((folder / name).exists() for name in beside), "as Ultralytics finds a picture's labels"
    drawn = np.zeros(FRAME, np.uint8)
    for line in (folder / "labels/train/cells-000000.txt").read_text().splitlines():
        number, *corners = line.split()
        assert number == "1"
        points = np.array(corners, float).reshape(-1, 2)
        assert points.min() >= 0 and points.max() <= 1
        cv2.fillPoly(drawn, [(points * (200, 120)).round().astype(np.int32)], 1)
    assert not (np.logical_or.reduce(planes(cells())) & (drawn == 0)).any()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_supervision_reads_yolo(tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision", reason="reads the data set back")
    written(f"yolo:{tmp_path}", *film(0, 1))
    read = supervision.DetectionDataset.from_yolo(
        str(tmp_path / "images/train"), str(tmp_path / "labels/train"), str(tmp_path / "data.yaml"), force_masks=True
    )
    assert list(read.classes) == ["ground", "cell", "dirt"]
    for _, _, detections in read:
        covered = np.logical_or.reduce(detections.mask)
        assert (covered & np.logical_or.reduce(planes(cells()))).sum() > 0.9 * np.logical_or.reduce(
            planes(cells())
        ).sum()


@pytest.mark.parametrize(("uri", "name"), DOCUMENTS)
def test_a_name_may_be_as_long_as_its_part_has_room_for(uri: str, name: str, tmp_path: Path) -> None:
    suffix = Path(name).suffix
    long = "\u6620" * 81 + "x" * (250 - 243 - len(suffix)) + suffix
    assert len(f"{long}.part".encode()) == 255
    written(uri.format(tmp_path).replace(name, long), *film(0))
    assert os.listdir(tmp_path) == [long]  # noqa: PTH208


@pytest.mark.parametrize(("uri", "name"), DOCUMENTS)
def test_what_a_killed_run_left_becomes_a_whole_file(uri: str, name: str, tmp_path: Path) -> None:
    killed = open_sink(uri.format(tmp_path), FILE, Controls())
    killed.write(film(0)[0])
    left = (tmp_path / f"{name}.part").read_bytes()
    killed.close()
    (tmp_path / name).rename(tmp_path / f"expected-{name}")
    (tmp_path / f"{name}.part").write_bytes(left + b'{"torn')
    written(uri.format(tmp_path), *film(1, 2))
    stem, suffix = name.split(".")
    recovered = (tmp_path / f"{stem}-recovered-1.{suffix}").read_bytes()
    assert recovered == (tmp_path / f"expected-{name}").read_bytes()
    assert sorted(os.listdir(tmp_path)) == [f"{stem}-recovered-1.{suffix}", name, f"expected-{name}"]  # noqa: PTH208


@pytest.mark.parametrize("left", [b"[]\n", b'{"names": ["\xff"]}\n'])
def test_what_another_program_left_is_kept_as_it_is(left: bytes, tmp_path: Path) -> None:
    uri, name = DOCUMENTS[0]
    (tmp_path / f"{name}.part").write_bytes(left)
    written(uri.format(tmp_path), *film(0))
    stem, suffix = name.split(".")
    assert (tmp_path / f"{stem}-recovered-1.{suffix}").read_bytes() == left
    assert (tmp_path / name).exists()


@pytest.mark.parametrize(("uri", "name"), DOCUMENTS)
def test_nothing_found_and_nothing_read_leave_no_trouble(uri: str, name: str, tmp_path: Path) -> None:
    written(uri.format(tmp_path))
    assert list(tmp_path.iterdir()) == []
    empty = dataclasses.replace(
        shown(), segmentation=dataclasses.replace(shown().segmentation, labels=np.zeros((4, 4), np.uint8))
    )
    written(uri.format(tmp_path), empty)
    text = (tmp_path / name).read_text()
    assert json.loads(text) if name.endswith("json") else ElementTree.fromstring(text) is not None


@pytest.mark.parametrize(("uri", "name"), DOCUMENTS)
def test_what_is_there_is_replaced_once_the_new_file_is_whole_or_never(uri: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        check_files([uri.format(tmp_path)], "test://", NO_FILE, "refuse")
    written(uri.format(tmp_path), shown())
    assert (tmp_path / name).read_text() == "precious"
    stem, suffix = name.split(".")
    assert (tmp_path / f"{stem}-2.{suffix}").exists()
    written(uri.format(tmp_path), shown(), existing="replace")
    assert (tmp_path / name).read_text() == (tmp_path / f"{stem}-2.{suffix}").read_text() or "labelstudio" in uri


def test_other_classes_begin_another_file(tmp_path: Path) -> None:
    other = shown()
    classes = Classes(("a", "b"), np.zeros((2, 3), np.uint8), 0)
    other = dataclasses.replace(other, segmentation=dataclasses.replace(other.segmentation, classes=classes))
    written(f"coco:{tmp_path}/a.json", shown(), other, existing="replace")
    names = [
        [each["name"] for each in json.loads((tmp_path / name).read_text())["categories"]]
        for name in ("a.json", "a-2.json")
    ]
    assert names == [["ground", "car"], ["a", "b"]]
    with pytest.raises(OutputError, match="other classes"):
        written(f"yolo:{tmp_path}/set", shown(), other)


@pytest.mark.parametrize("uri", ["coco:", "coco:a.json?masks=png", "cvat:", "labelstudio:a.json?what=1", "yolo:"])
def test_what_is_no_output_is_told_before_anything_is_opened(uri: str) -> None:
    with pytest.raises(InputError):
        check_files([uri], "test://", NO_FILE, "refuse")


def test_a_data_set_that_is_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set" / "labels").mkdir(parents=True)
    with pytest.raises(OutputError, match="labels: exists"):
        check_files([f"yolo:{tmp_path}/set"], "test://", NO_FILE, "refuse")
