"""What Ultralytics makes of the folder: which labels it finds for a picture, and what it calls the classes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import yaml

from streamseg.contracts import Controls, Shown
from streamseg.segmentation import Classes
from streamseg.sinks import open_sink
from tests.parts.fakes import FILE
from tests.sinks.test_jsonl import cells


def written(folder: Path, *frames: Shown) -> None:
    sink = open_sink(f"yolo:{folder}", FILE, Controls())
    for each in frames:
        sink.write(each)
    sink.close()


def of_file(file: str) -> Shown:
    return dataclasses.replace(cells(), frame=dataclasses.replace(cells().frame, file=file))


def labels_of(picture: Path) -> Path:
    """As `img2label_paths` of Ultralytics finds them."""
    return Path("/labels/".join(str(picture).rsplit("/images/", 1)).rsplit(".", 1)[0] + ".txt")


def test_a_picture_in_a_folder_called_images_keeps_its_labels(tmp_path: Path) -> None:
    written(tmp_path, of_file("images/p.png"), of_file("a/images/images/p.png"), of_file("images_/p.png"))
    found = sorted((tmp_path / "images").rglob("*.jpg"))
    assert [path.relative_to(tmp_path / "images" / "train").as_posix() for path in found] == [
        "a/images_/images_/p.jpg",
        "images_/p-2.jpg",
        "images_/p.jpg",
    ]
    assert sorted(map(labels_of, found)) == sorted((tmp_path / "labels").rglob("*.txt"))


def test_names_of_classes_are_those_of_the_model_in_any_script(tmp_path: Path) -> None:
    names = ("\U0001f697 car", 'a "b": c', "\u8d70\u8005", "yes", "# 5")
    one = cells()
    segmentation = dataclasses.replace(one.segmentation, classes=Classes(names, np.zeros((5, 3), np.uint8)))
    written(tmp_path, dataclasses.replace(one, segmentation=segmentation))
    told = yaml.safe_load((tmp_path / "data.yaml").read_text("utf-8"))["names"]
    assert told == dict(enumerate(names))
