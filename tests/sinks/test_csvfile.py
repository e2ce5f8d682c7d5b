"""Tables: a row a frame, a time, a source; and a row an object, held against scikit-image."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Frame, StreamInfo
from streamseg.regions import things
from streamseg.segmentation import Classes, Segmentation
from streamseg.sinks import open_sink, sink_kind
from tests.parts.fakes import FILE
from tests.sinks.test_files import shown
from tests.sinks.test_jsonl import CELLS, cells

Rows = list[dict[str, str]]


def table(path: Path, uri: str, *frames: Shown, info: StreamInfo = FILE) -> Rows:
    sink = open_sink(uri.format(path.parent), info, Controls())
    for each in frames:
        sink.write(each)
    sink.close()
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def of_file(one: Shown, file: str, page: int | None = None) -> Shown:
    return dataclasses.replace(one, frame=dataclasses.replace(one.frame, file=file, page=page))


def blots(confidence: bool = False) -> Shown:
    """Two parts of one class and a spot of another, over a picture of noise."""
    labels = np.zeros((60, 90), np.uint8)
    y, x = np.mgrid[:60, :90]
    labels[((x - 30) / 20) ** 2 + ((y - 25 + x / 5) / 8) ** 2 < 1] = 1
    labels[40:55, 60:64] = 1
    labels[5, 80] = 2
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    frame = Frame(image, 2, 0.08, 0.0, "plate.tif")
    return Shown(frame, Segmentation(labels, CELLS, 2, 0.08), image, 0, {})


def test_a_row_a_frame_names_its_film(tmp_path: Path) -> None:
    rows = table(tmp_path / "a.csv", "{}/a.csv", shown(0), shown(1))
    assert rows == [
        {"file": "door", "page": "", "index": str(i), "time_s": time, "ground_percent": "87.5", "car_percent": "12.5"}
        for i, time in enumerate(("0.0", "0.04"))
    ]


def test_of_pictures_it_has_the_file_and_page_and_of_objects_their_number(tmp_path: Path) -> None:
    (row,) = table(tmp_path / "a.csv", "{}/a.csv", of_file(cells(), "a,b\n.tif", 3))
    assert (row["file"], row["page"]) == ("a,b\\n.tif", "3")
    assert (row["ground_objects"], row["cell_objects"], row["dirt_objects"]) == ("0", "2", "1")


def test_every_so_many_seconds_have_means_and_the_most(tmp_path: Path) -> None:
    second = shown()
    frames = [
        dataclasses.replace(second, frame=dataclasses.replace(second.frame, index=index, time_s=index / 25))
        for index in range(60)
    ]
    empty = dataclasses.replace(
        frames[30].segmentation, labels=np.zeros((12, 16), np.uint8), frame_index=30, frame_time_s=1.2
    )
    frames[30] = dataclasses.replace(frames[30], segmentation=empty)
    rows = table(tmp_path / "a.csv", "{}/a.csv?every=1s", *frames)
    assert [(row["from_s"], row["to_s"], row["frames"]) for row in rows] == [
        ("0.0", "0.96", "25"),
        ("1.0", "1.96", "25"),
        ("2.0", "2.36", "10"),
    ]
    assert [float(row["car_mean_percent"]) for row in rows] == [12.5, 12.0, 12.5]
    assert [float(row["car_most_percent"]) for row in rows] == [12.5, 12.5, 12.5]


def test_a_second_is_one_row_however_times_were_rounded(tmp_path: Path) -> None:
    times_s = [0.1 + number / 25 - 0.1 for number in range(300)]  # of a film that begins at 0.1
    assert any(time_s < round(time_s, 3) for time_s in times_s[25::25])
    frames = [
        dataclasses.replace(shown(), frame=dataclasses.replace(shown().frame, index=index, time_s=time_s))
        for index, time_s in enumerate(times_s)
    ]
    rows = table(tmp_path / "a.csv", "{}/a.csv?every=1s", *frames)
    assert [(row["from_s"], row["frames"]) for row in rows] == [(f"{second}.0", "25") for second in range(12)]


def test_a_summary_is_a_row_a_file(tmp_path: Path) -> None:
    frames = [of_file(cells(), "a.tif", 0), of_file(cells(), "a.tif", 1), of_file(cells(), "b.tif", 0)]
    rows = table(tmp_path / "a.csv", "{}/a.csv?summary", *frames)
    assert [(row["file"], row["frames"], row["cell_most_objects"]) for row in rows] == [
        ("a.tif", "2", "2"),
        ("b.tif", "1", "2"),
    ]


def test_other_classes_begin_another_table(tmp_path: Path) -> None:
    other = shown(1)
    classes = Classes(("a", "b"), np.zeros((2, 3), np.uint8), 0)
    other = dataclasses.replace(other, segmentation=dataclasses.replace(other.segmentation, classes=classes))
    table(tmp_path / "a.csv", "{}/a.csv", shown(0), other)
    assert (tmp_path / "a-2.csv").read_text().splitlines()[0] == "file,page,index,time_s,a_percent,b_percent"


def test_a_table_that_was_taken_away_begins_with_its_names_again(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/a.csv", FILE, Controls())
    sink.write(shown(0))
    (tmp_path / "a.csv.part").unlink()
    with pytest.raises(OutputError):
        sink.write(shown(1))
    sink.write(shown(2))
    sink.close()
    assert [line.split(",")[2] for line in (tmp_path / "a.csv").read_text().splitlines()] == ["index", "2"]


@pytest.mark.parametrize("uri", ["a.csv?every=0", "a.csv?every=1s&summary=", "a.csv?often=1", "objects.csv?every=1"])
def test_what_makes_no_table_is_told_before_anything_is_opened(uri: str) -> None:
    with pytest.raises(InputError):
        sink_kind(uri).names(uri, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("objects.csv", "OBJECTS"), ("out/film-objects.csv", "OBJECTS"), ("Objects-{stem}.csv", "OBJECTS"),
        ("objects:x.csv", "OBJECTS"), ("a.csv", "FRAMES"), ("my-objects-of-art/a.csv", "FRAMES"),
    ],
)  # fmt: skip
def test_a_table_of_objects_is_told_by_its_name(uri: str, kind: str) -> None:
    from streamseg.sinks import csvfile

    assert sink_kind(uri) is getattr(csvfile, kind)


def test_objects_are_measured_as_scikit_image_measures_them(tmp_path: Path) -> None:
    measure = pytest.importorskip("skimage.measure", reason="measures the same")
    found = blots()
    rows = table(tmp_path / "objects.csv", "{}/objects.csv", found, info=dataclasses.replace(FILE, pixel_um=0.5))
    labels = np.zeros((60, 90), np.int32)
    for number, region in enumerate(things(found.segmentation, (60, 90)), 1):
        labels[region.plane((60, 90))] = number
    grey = np.asarray(found.image).astype(float) @ (0.114, 0.587, 0.299)
    expected = measure.regionprops(labels, intensity_image=grey)
    assert [row["object"] for row in rows] == ["1", "2", "3"]
    assert [row["class"] for row in rows] == ["cell", "cell", "dirt"]
    for row, other in zip(rows, expected, strict=True):
        assert row["file"] == "plate.tif"
        assert (int(row["frame"]), int(row["area_px"])) == (2, other.area)
        assert float(row["y_px"]) == pytest.approx(other.centroid[0] + 0.5, abs=0.01)
        assert float(row["x_px"]) == pytest.approx(other.centroid[1] + 0.5, abs=0.01)
        assert float(row["major_px"]) == pytest.approx(other.axis_major_length, abs=0.01)
        assert float(row["minor_px"]) == pytest.approx(other.axis_minor_length, abs=0.01)
        assert float(row["mean_intensity"]) == pytest.approx(other.intensity_mean, abs=0.5)
        assert float(row["area_um2"]) == pytest.approx(other.area * 0.25)
        assert float(row["major_um"]) == pytest.approx(other.axis_major_length * 0.5, abs=0.01)
    # scikit-image counts from the rows' direction; a line that rises to the right is above 0 here.
    assert float(rows[0]["angle_degrees"]) == pytest.approx(90 + math.degrees(expected[0].orientation), abs=0.01)
    assert rows[2]["angle_degrees"] == "0.0"


def test_areas_of_an_electron_microscope_have_as_many_digits_as_others(tmp_path: Path) -> None:
    rows = table(tmp_path / "objects.csv", "{}/objects.csv", blots(), info=dataclasses.replace(FILE, pixel_um=0.0005))
    for row in rows:
        assert float(row["area_um2"]) == pytest.approx(int(row["area_px"]) * 0.0005**2, rel=1e-6)
        assert float(row["minor_um"]) == pytest.approx(float(row["minor_px"]) * 0.0005, rel=1e-3)


def test_tracks_and_scores_stand_beside_the_object_and_micrometres_only_where_they_are_known(tmp_path: Path) -> None:
    rows = table(tmp_path / "objects.csv", "{}/objects.csv", cells())
    assert [(row["object"], row["track"], row["score"]) for row in rows] == [("1", "4", "0.75"), ("2", "", "0.5")]
    assert "area_um2" not in rows[0]
