"""Object numbers in a TIFF, read back by tifffile."""

from __future__ import annotations

import dataclasses
import os
import resource
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.sinks import labels, open_sink
from streamseg.sinks.labels import numbers
from tests.parts.fakes import FILE
from tests.sinks.test_csvfile import blots, of_file
from tests.sinks.test_jsonl import cells


def test_a_stack_gives_a_stack_of_the_numbers_of_its_objects(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/labels.tif", dataclasses.replace(FILE, pixel_um=0.5), Controls())
    for _ in range(3):
        sink.write(blots())
    sink.close()
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        assert len(file.pages) == 3
        page = file.pages[1].asarray()
        assert file.pages[0].tags["XResolution"].value[0] / file.pages[0].tags["XResolution"].value[1] == 20000
    assert page.dtype == np.uint16
    assert page.shape == (60, 90)
    assert page.max() == 3
    assert page[50, 62] == 2 and page[5, 80] == 3 and page[0, 0] == 0


def test_where_objects_overlap_the_surest_is_on_top() -> None:
    found = cells()
    assert found.segmentation.instances is not None
    boxes = np.tile(np.array([[5, 5, 50, 50]], np.float32), (3, 1))
    same = dataclasses.replace(found.segmentation.instances, boxes=boxes, masks=np.ones((3, 4, 4), np.float32))
    one = dataclasses.replace(found, segmentation=dataclasses.replace(found.segmentation, instances=same))
    assert set(np.unique(numbers(one))) == {0, 1}


def test_each_file_of_a_folder_has_a_stack_of_its_own(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/{{stem}}-labels.tif", FILE, Controls())
    for file, page in (("a.tif", 0), ("a.tif", 1), ("deep/b.tif", None)):
        sink.write(of_file(blots(), file, page))
    sink.close()
    with (
        tifffile.TiffFile(tmp_path / "a-labels.tif") as one,
        tifffile.TiffFile(tmp_path / "deep/b-labels.tif") as other,
    ):
        assert (len(one.pages), len(other.pages)) == (2, 1)


def test_pages_that_were_written_before_a_kill_can_be_read(tmp_path: Path) -> None:
    killed = open_sink(f"{tmp_path}/labels.tif", FILE, Controls())
    for _ in range(3):
        killed.write(blots())
    left = (tmp_path / "labels.tif.part").read_bytes()
    killed.close()
    (tmp_path / "labels.tif").unlink()
    (tmp_path / "labels.tif.part").write_bytes(left)
    sink = open_sink(f"{tmp_path}/labels.tif", FILE, Controls())
    sink.write(blots())
    sink.close()
    with tifffile.TiffFile(tmp_path / "labels-recovered-1.tif") as file:
        assert [page.asarray().max() for page in file.pages] == [3, 3, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels-recovered-1.tif", "labels.tif"]


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "labels.tif").write_text("precious")
    for existing, text in (("refuse", "precious"), ("replace", None)):
        sink = open_sink(f"{tmp_path}/labels.tif", FILE, Controls(), existing=existing)  # type: ignore[arg-type]
        sink.write(blots())
        sink.close()
        assert text is None or (tmp_path / "labels.tif").read_text() == text
        assert (tmp_path / "labels-2.tif").exists()
    assert tifffile.imread(tmp_path / "labels.tif").shape == (60, 90)


def test_more_objects_than_16_bits_count_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "_MOST", 2)
    with pytest.raises(OutputError, match="3 objects"):
        numbers(blots())


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = open_sink(f"{tmp_path}/labels.tif", FILE, Controls())
    sink.write(blots())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(labels._Stack, "add", full)
    with pytest.raises(OutputError, match=r"labels\.tif: No space left"):
        sink.write(blots())
    monkeypatch.undo()
    sink.write(blots())
    sink.close()
    assert {path.name for path in tmp_path.iterdir()} == {"labels.tif", "labels-recovered-1.tif"}


def readable(path: Path) -> list[int]:
    """The largest number on each page, as two readers have it."""
    with tifffile.TiffFile(path) as file, PIL.Image.open(path) as image:
        found = [int(page.asarray().max()) for page in file.pages]
        assert image.n_frames == len(found)
    return found


def test_whenever_a_run_is_killed_the_pages_before_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states, part, writes = [], tmp_path / "labels.tif.part", os.pwrite

    def recorded(file: int, data: bytes, place: int) -> int:
        done = writes(file, data[: 1 + len(data) // 2], place)  # as the system may
        states.append(part.read_bytes())
        return done

    monkeypatch.setattr(os, "pwrite", recorded)
    sink = open_sink(f"{tmp_path}/labels.tif", FILE, Controls())
    sink.write(blots())
    states.clear()
    sink.write(blots())
    sink.write(blots())
    sink.close()
    found = []
    for state in states:
        (tmp_path / "cut.tif").write_bytes(state)
        found.append(len(readable(tmp_path / "cut.tif")))
    assert found == sorted(found)
    assert {*found} == {1, 2, 3}


def test_a_page_that_does_not_fit_is_taken_back(tmp_path: Path) -> None:
    whole = open_sink(f"{tmp_path}/whole.tif", FILE, Controls())
    sizes = []
    for _ in range(3):
        whole.write(blots())
        sizes.append((tmp_path / "whole.tif.part").stat().st_size)
    whole.close()
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in range(sizes[1], sizes[2], 20):
        path = tmp_path / f"{size}.tif"
        sink = open_sink(str(path), FILE, Controls())
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
            sink.write(blots())
            sink.write(blots())
            with pytest.raises(OutputError, match="File too large"):
                sink.write(blots())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sink.close()
        assert readable(Path(f"{path}.part")) == [3, 3]


def test_a_disk_that_never_takes_a_page_is_not_filled_with_empty_files(tmp_path: Path) -> None:
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink = open_sink(f"{tmp_path}/labels.tif", FILE, Controls())
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        for _ in range(3):
            with pytest.raises(OutputError, match="File too large"):
                sink.write(blots())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    sink.write(blots())
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tif"]


@pytest.mark.parametrize("uri", ["labels-%06d.tif", "labels.tif?every=1"])
def test_a_name_that_is_none_is_told(uri: str) -> None:
    with pytest.raises(InputError):
        labels.LABELS.names(uri, None)  # type: ignore[arg-type]


def test_a_shown_frame_is_left_as_it_is() -> None:
    one: Shown = blots()
    before = one.segmentation.labels.copy()
    numbers(one)
    assert np.array_equal(one.segmentation.labels, before)
