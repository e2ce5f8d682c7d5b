"""JSON lines: what they hold, and that other tools read the masks in them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, ReaderGoneError
from streamseg.frame import Frame
from streamseg.result import Result
from streamseg.segmentation import Classes, Instances, Segmentation
from streamseg.sinks import open_sink, sink_kind
from streamseg.sinks.jsonl import JsonlSink, row
from tests.parts.fakes import FILE
from tests.sinks.test_files import shown

CELLS = Classes(("ground", "cell", "dirt"), np.array([[0, 0, 0], [10, 20, 230], [9, 9, 9]], np.uint8), 0)


def cells() -> Shown:
    """Two objects of which one touches the frame's corner, over a frame of 200x120."""
    dice = np.random.default_rng(3)
    found = Instances(
        np.array([1, 1, 2], np.int32),
        np.array([0.75, 0.5, 0.25], np.float32),
        np.array([[-10.4, -3.2, 60.5, 40.2], [100.5, 30.25, 130, 90], [250, 10, 300, 20]], np.float32),
        dice.random((3, 7, 7)).astype(np.float32),
        np.array([4, -1, -1], np.int32),
    )
    frame = Frame(np.zeros((120, 200, 3), np.uint8), 3, 0.12, 0.0, "cells.mp4")
    labels = np.zeros((12, 20), np.uint8)
    labels[:2, :5] = 1
    return Shown(frame, Segmentation(labels, CELLS, 3, 0.12, instances=found), frame.image, 0, {})


def decoded(mask: dict[str, object], height: int, width: int) -> NDArray[np.bool_]:
    coco = pytest.importorskip("pycocotools.mask", reason="reads the run lengths back")
    plane = np.zeros((height, width), bool)
    part = coco.decode(mask)
    top, left = int(str(mask["top"])), int(str(mask["left"]))
    plane[top : top + part.shape[0], left : left + part.shape[1]] = part
    return plane


def test_a_line_of_json_says_what_was_found() -> None:
    assert row(shown(5, instances=True)) == {
        "stream": "door",
        "index": 5,
        "time_s": 0.2,
        "width": 32,
        "height": 24,
        "dropped": 2,
        "areas_percent": {"ground": 87.5, "car": 12.5},
        "classes": {"car": {"largest_percent": 67.969, "confidence": 0.75, "objects": 1}},
        "timings_ms": {"age": 12.346},
        "instances": [
            {
                "class": "car",
                "score": 0.75,
                "box": [1.0, 2.0, 30.0, 20.0],
                "area": 522,
                "mask": {"left": 1, "top": 2, "size": [18, 29], "counts": "0Z`0"},
            }
        ],
    }


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_pycocotools_reads_the_masks_of_the_objects_as_they_were_found() -> None:
    found = cells()
    line = json.loads(json.dumps(row(found)))
    expected = Result.of(found).to_coco(1)
    coco = pytest.importorskip("pycocotools.mask")
    assert len(line["instances"]) == 3
    for each, other in zip(line["instances"][:2], expected, strict=False):
        plane = decoded(each["mask"], 120, 200)
        assert np.array_equal(plane, coco.decode(other["segmentation"]).astype(bool))
        assert plane.sum() == each["area"] > 0
    assert line["instances"][2]["area"] == 0  # outside of the frame
    assert [each.get("track") for each in line["instances"]] == [4, None, None]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_outlines_cover_the_same_pixels_but_for_holes() -> None:
    coco = pytest.importorskip("pycocotools.mask")
    found = cells()
    for each, other in zip(row(found, "polygon")["instances"], row(found)["instances"], strict=True):  # type: ignore[call-overload]
        assert "mask" not in each
        if other["area"]:
            drawn = coco.decode(coco.merge(coco.frPyObjects(each["polygons"], 120, 200))).astype(bool)
            assert not (decoded(other["mask"], 120, 200) & ~drawn).any()
    assert all("mask" not in each and "polygons" not in each for each in row(found, "none")["instances"])  # type: ignore[attr-defined]


def test_a_class_tells_its_largest_part_and_how_sure_it_is() -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[:2, :3] = 1
    labels[2, 3] = 1  # touches by its corner
    labels[5:, 9] = 1
    confidence = np.full((10, 10), 255, np.uint8)
    confidence[5:, 9] = 51
    one = shown()
    segmentation = Segmentation(labels, CELLS, 0, 0.0, confidence)
    found = row(dataclasses.replace(one, segmentation=segmentation))["classes"]
    assert found == {"cell": {"largest_percent": 7.0, "confidence": round((7 + 0.2 * 5) / 12, 4)}}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_whole_classes_have_their_masks_where_that_is_asked_for() -> None:
    one = shown()
    found = row(one, classes="rle")["classes"]
    plane = decoded(found["car"]["mask"], 24, 32)  # type: ignore[index]
    assert np.array_equal(plane, Result.of(one).full_labels() == 1)
    outlines = row(one, classes="polygon")["classes"]["car"]["polygons"]  # type: ignore[index]
    assert outlines == [[0.0, 0.0, 0.0, 12.0, 8.0, 12.0, 8.0, 0.0]]


def test_options_stand_in_the_name(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/a.jsonl?masks=none&classes=rle", FILE, Controls())
    sink.write(cells())
    sink.close()
    line = json.loads((tmp_path / "a.jsonl").read_text())
    assert "mask" not in line["instances"][0]
    assert "mask" in line["classes"]["cell"]


@pytest.mark.parametrize("uri", ["a.jsonl?masks=png", "-?classes=yes", "a.jsonl?mask=rle"])
def test_an_option_that_is_none_is_told_before_anything_is_opened(uri: str) -> None:
    kind = sink_kind(uri)
    with pytest.raises(InputError, match="mask|classes"):
        kind.names(uri, None)  # type: ignore[arg-type]


def test_json_lines_are_written_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    sink = JsonlSink(str(path), Controls())
    for index in range(3):
        sink.write(shown(index))
        assert len((tmp_path / "a.jsonl.part").read_text().splitlines()) == index + 1
    assert not path.exists()
    sink.close()
    assert [json.loads(line)["index"] for line in path.read_text().splitlines()] == [0, 1, 2]


def test_a_reader_that_leaves_asks_the_run_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: bytes) -> None:
        raise ReaderGoneError

    monkeypatch.setattr("streamseg.stdio.write_out", gone)
    controls = Controls()
    sink = JsonlSink("-", controls)
    sink.write(shown())
    assert controls.quit
    sink.write(shown())
    sink.close()
