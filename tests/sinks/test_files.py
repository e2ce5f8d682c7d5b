from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Instances, Segmentation
from streamseg.sinks import SINKS, open_sink, sink_kind
from streamseg.sinks.jsonl import JsonlSink, row
from streamseg.sinks.pictures import MasksSink, PicturesSink, indexed_png

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


def test_one_picture_has_the_name_and_more_are_numbered(tmp_path: Path) -> None:
    sink = PicturesSink(str(tmp_path / "a.png"))
    for index in (0, 4):
        sink.write(shown(index))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-4.png", "a.png"]
    picture = cv2.imread(str(tmp_path / "a-4.png"))
    assert picture is not None
    assert (picture == 20).all()


def test_a_pattern_is_filled_with_the_frames_index(tmp_path: Path) -> None:
    sink = PicturesSink(str(tmp_path / "x-%04d.jpg"))
    for index in (3, 12):
        sink.write(shown(index))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-0003.jpg", "x-0012.jpg"]


def test_a_pattern_that_is_none_is_one_line(tmp_path: Path) -> None:
    for name in ("%s.png", "%d-%d.png", "100%.png"):
        with pytest.raises(InputError, match="%06d"):
            PicturesSink(str(tmp_path / name))


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


def test_a_line_of_json_says_what_was_found() -> None:
    assert row(shown(5, instances=True)) == {
        "stream": "door",
        "index": 5,
        "time_s": 0.2,
        "dropped": 2,
        "areas_percent": {"ground": 87.5, "car": 12.5},
        "timings_ms": {"age": 12.346},
        "instances": [{"class": "car", "score": 0.75, "box": [1.0, 2.0, 30.0, 20.0]}],
    }


def test_json_lines_are_written_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = JsonlSink(str(path), Controls())
    for index in range(3):
        sink.write(shown(index))
        assert len(path.read_text().splitlines()) == index + 1
    sink.close()
    assert [json.loads(line)["index"] for line in path.read_text().splitlines()] == [0, 1, 2]


def test_a_reader_that_leaves_asks_the_run_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _: bytes) -> int:
            raise BrokenPipeError

        def flush(self) -> None: ...

    class Stdout:
        buffer = Gone()

    monkeypatch.setattr(sys, "stdout", Stdout())
    controls = Controls()
    sink = JsonlSink("-", controls)
    sink.write(shown())
    assert controls.quit
    sink.write(shown())
    sink.close()


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
        "masks:x": "masks",
        "hls:x": "hls",
        "events:x?class=person": "events",
        "rtsp://host/cam.mp4": "publish",
    }
    assert {uri: sink_kind(uri) for uri in kinds} == kinds
    assert set(kinds.values()) == set(SINKS)


@pytest.mark.parametrize("uri", ["a.xyz", "rtmp://a", "", "windows"])
def test_an_unknown_output_is_one_line_that_lists_the_known(uri: str) -> None:
    with pytest.raises(InputError, match=r"window, FILE\.mp4"):
        open_sink(uri, Controls())


@pytest.mark.parametrize("name", ["out.mp4", "out.png", "out.jsonl"])
def test_a_folder_that_is_not_there_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="o such f"):
        open_sink(str(tmp_path / "none" / name), Controls())


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(OutputError, match="a: "):
        open_sink(f"masks:{tmp_path / 'a'}", Controls())
