"""Contact sheets: which frames are on them, and that they are whole whenever the run ends."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Frame
from streamseg.sinks import open_sink, sink_kind
from streamseg.sinks.images import IMAGES
from streamseg.sinks.sheet import SHEET
from tests.parts.fakes import FILE
from tests.sinks.test_files import shown

CELL, TALL = 320 + 8, 180 + 26 + 8


def at(second: float, value: int = 200, file: str = "") -> Shown:
    image = np.full((90, 160, 3), value, np.uint8)
    return dataclasses.replace(shown(), frame=Frame(image, int(second * 25), second, 0.0, "f.mp4", file), pixels=image)


def read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_a_picture_every_so_many_seconds_and_the_file_is_whole_after_each(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/sheet.png?every=10s", FILE, Controls())
    widths = []
    for second in range(0, 75):
        sink.write(at(second, 40 + second))
        widths.append(read(tmp_path / "sheet.png").shape)
    sink.close()
    assert widths[0] == (TALL + 8, CELL + 8, 3)
    assert widths[-1] == (2 * TALL + 8, 6 * CELL + 8, 3)
    picture = read(tmp_path / "sheet.png")
    values = [int(picture[8 + 90, 8 + column * CELL + 160, 0]) for column in range(6)]
    assert values == [40, 50, 60, 70, 80, 90]
    assert int(picture[TALL + 8 + 90, 8 + 160, 0]) == 100
    assert picture[8 + 180 : 8 + 206, 8 : 8 + 80].max() > 200  # the time below it


@pytest.mark.parametrize(
    ("size", "seen"), [((40_000, 10), (1280, 1)), ((10, 40_000), (1, 320)), ((400, 100), (1280, 320))]
)
def test_a_long_strip_is_made_as_small_as_others(size: tuple[int, int], seen: tuple[int, int], tmp_path: Path) -> None:
    image = np.full((*size, 3), 200, np.uint8)
    sink = open_sink(f"{tmp_path}/sheet.png?every=1s", FILE, Controls())
    sink.write(dataclasses.replace(shown(), frame=Frame(image, 0, 0.0, 0.0, "f.mp4"), pixels=image))
    sink.close()
    picture = read(tmp_path / "sheet.png")
    assert picture.shape == (seen[0] + 26 + 16, 320 + 16, 3)
    assert np.all(picture[8 : 8 + seen[0], 8 : 8 + seen[1]] == 200)
    assert np.all(picture[8 : 8 + seen[0], 8 + seen[1] :] == 24)


def test_the_time_below_a_picture_is_that_of_its_second_however_it_was_rounded(tmp_path: Path) -> None:
    for name, second in (("a", 4.0), ("b", 4 - 1e-14), ("c", 3.0)):
        sink = open_sink(f"{tmp_path}/{name}.png?every=1s", FILE, Controls())
        sink.write(at(second))
        sink.close()
    sheets = [read(tmp_path / f"{name}.png") for name in "abc"]
    assert np.array_equal(sheets[0], sheets[1]) and not np.array_equal(sheets[0], sheets[2])


def test_a_year_without_a_picture_is_passed_over_in_one_step(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/sheet.png?every=0.001s", FILE, Controls())
    year_s = 365 * 86_400.0
    for second in (0.0, year_s, year_s + 0.0005, year_s + 0.001):
        sink.write(at(second))
    sink.close()
    assert read(tmp_path / "sheet.png").shape == (TALL + 8, 3 * CELL + 8, 3)


def test_a_full_sheet_is_followed_by_another(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/sheet.jpg?every=1", FILE, Controls())
    for second in range(61):
        sink.write(at(second))
    sink.close()
    assert read(tmp_path / "sheet.jpg").shape == (10 * TALL + 8, 6 * CELL + 8, 3)
    assert read(tmp_path / "sheet-2.jpg").shape == (TALL + 8, CELL + 8, 3)


def test_pictures_have_their_names_below(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/sheet.png?every=1", FILE, Controls())
    sink.write(at(0, file="patient-07.png"))
    sink.close()
    below = read(tmp_path / "sheet.png")[8 + 180 : 8 + 206]
    assert below[:, 100:].max() > 200  # longer than a time


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "sheet.jpg").write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        open_sink(f"{tmp_path}/sheet.jpg?every=1", FILE, Controls()).write(at(0))
    open_sink(f"{tmp_path}/sheet.jpg?every=1", FILE, Controls(), existing="keep").write(at(0))
    assert (tmp_path / "sheet.jpg").read_text() == "precious"
    assert (tmp_path / "sheet-2.jpg").exists()
    open_sink(f"{tmp_path}/sheet.jpg?every=1", FILE, Controls(), existing="replace").write(at(0))
    assert read(tmp_path / "sheet.jpg").shape[1] == CELL + 8


def test_a_sheet_is_told_by_its_option() -> None:
    assert sink_kind("sheet.jpg?every=10s") is SHEET
    assert sink_kind("sheet.jpg") is IMAGES
    for uri in ("sheet-%d.jpg?every=1", "sheet.jpg?every=no", "sheet.jpg?every=1&keep=1d"):
        with pytest.raises(InputError):
            sink_kind(uri).names(uri, None)  # type: ignore[arg-type]
