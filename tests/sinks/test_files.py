from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Instances, Segmentation
from streamseg.sinks import SINKS, open_sink, sink_kind
from streamseg.sinks.images import MasksSink, indexed_png
from tests.parts.fakes import FILE

CLASSES = Classes(("ground", "car"), np.array([[0, 0, 0], [10, 20, 230]], np.uint8), 0)


def shown(index: int = 0, instances: bool = False) -> Shown:
    frame = Frame(np.full((24, 32, 3), 5 * index, np.uint8), index, index / 25, 0.0, "door")
    labels = np.zeros((12, 16), np.uint8)
    labels[:6, :4] = 1
    found = Instances(
        np.array([1], np.int32),
        np.array([0.75], np.float32),
        np.array([[1, 2, 30, 20]], np.float32),
        np.ones((1, 4, 4), np.float32),
        np.array([-1], np.int32),
    )
    segmentation = Segmentation(labels, CLASSES, index, index / 25, instances=found if instances else None)
    return Shown(frame, segmentation, frame.image, 2, {"age": 12.34567})


def test_masks_are_indexed_pictures_of_the_frames_size(tmp_path: Path) -> None:
    sink = MasksSink(f"masks:{tmp_path / 'deep' / 'labels'}")
    sink.write(shown(7))
    path = tmp_path / "deep" / "labels" / "000007.png"
    colours = cv2.imread(str(path))
    assert colours is not None
    assert colours.shape == (24, 32, 3)
    assert (colours[:12, :8] == (10, 20, 230)).all()
    assert (colours[12:] == 0).all()


def test_an_indexed_picture_holds_the_ids_themselves(tmp_path: Path) -> None:
    skio = pytest.importorskip("PIL.Image", reason="Pillow reads the ids back")
    labels = np.random.default_rng(0).integers(0, 2, (11, 13), dtype=np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(indexed_png(labels, CLASSES.colours))
    with skio.open(path) as picture:
        assert picture.mode == "P"
        assert (np.asarray(picture) == labels).all()
        assert picture.getpalette()[3:6] == [230, 20, 10]


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("a/o.avi", "a/o.mp4"),
        ("x.json", "coco:x.json for a data set"),
        ("x.xlsx", "x.csv"),
        ("masks", "masks:FOLDER"),
        ("a/o/", "a/o/out.mp4 for a film, masks:a/o for"),
        ("rtmp://host/live", "rtsp://SERVER/PATH"),
        ("o.what", "null"),
    ],
)
def test_a_name_that_means_nothing_is_told_what_comes_nearest(uri: str, meant: str) -> None:
    with pytest.raises(InputError) as told:
        sink_kind(uri)
    assert meant in told.value.hint


def test_the_kind_is_told_from_the_string_alone() -> None:
    kinds = {
        "window": "window",
        "null": "null",
        "-": "jsonl",
        "jsonl:-": "jsonl",
        "a.jsonl": "jsonl",
        "a.MP4": "video",
        "b/c.mkv": "video",
        "b/c-%H%M%S.mkv": "segments",
        "c-%H.mp4?segment=60": "segments",
        "a.png": "pictures",
        "a.jpg?every=10s": "sheet",
        "a.csv?summary": "csv",
        "objects.csv": "objects",
        "a.tif": "labels",
        "coco:a.json": "coco",
        "cvat:a.xml": "cvat",
        "labelstudio:a.json": "labelstudio",
        "yolo:x": "yolo",
        "dataset:x?every=10s": "dataset",
        "masks:x": "masks",
        "masks:film.mp4": "masks",
        "coco:a.csv": "coco",
        "dataset:a.tif": "dataset",
        "events:a.mkv?class=person": "events",
        "hls:x": "hls",
        "events:x?class=person": "events",
        "rtsp://host/cam.mp4": "publish",
        "camera:/dev/video10": "camera",
        "mqtt://host/topic": "mqtt",
        "webhook:https://host": "webhook",
        "kafka://host/topic": "kafka",
        "trace:http://host:4318": "trace",
    }
    names = {kind: name for name, kind in SINKS.items()}
    assert {uri: names[sink_kind(uri)] for uri in kinds} == kinds
    assert set(kinds.values()) == set(SINKS)


@pytest.mark.parametrize("uri", ["a.xyz", "gopher://a", "", "windows"])
def test_an_unknown_output_is_one_line_that_lists_the_known(uri: str) -> None:
    with pytest.raises(InputError, match=r"window, .*FILE\.mp4"):
        open_sink(uri, FILE, Controls())


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OutputError, match="a: "):
        open_sink(f"masks:{tmp_path / 'a'}", FILE, Controls())
