from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.errors import OutputError
from streamseg.evaluation.evaluate import Evaluation, Judged
from streamseg.evaluation.judges import ClassRow
from streamseg.evaluation.report import as_tree, print_table, write_sheet
from streamseg.segmentation import Segmentation
from tests.parts.fakes import CLASSES

NAN = float("nan")


def judged(name: str, height: int, width: int, score: float = 0.25) -> Judged:
    image = np.full((height, width, 3), 90, np.uint8)
    true = np.zeros((height, width), np.uint8)
    true[:, : width // 2] = 1
    return Judged(name, image, true, Segmentation(1 - true, CLASSES, 0, 0.0), score)


FOUND = Evaluation(
    model="toy",
    pictures=2,
    figures={"miou": 0.123456789, "accuracy": 0.9, "mine": NAN},
    classes=(
        ClassRow("background", 0.5, 0.75, 0.9, (0.4, 0.6), (0.7, 0.8)),
        ClassRow("thing", NAN, NAN, 0.1),
    ),
    matrix=np.array([[3, 1], [0, 0]], np.int64),
    ms_per_picture=12.3456,
    worst=(judged("a.png", 60, 80), judged("b.png", 30, 80, 0.5)),
    intervals={"miou": (0.1, 0.2)},
)


def test_a_tree_holds_all_but_the_pictures_and_is_json() -> None:
    tree = json.loads(json.dumps(as_tree(FOUND), allow_nan=False))
    assert (tree["model"], tree["pictures"], tree["ms_per_picture"]) == ("toy", 2, 12.35)
    assert (tree["miou"], tree["accuracy"], tree["mine"]) == (0.12346, 0.9, None)
    assert tree["interval_95"] == {"miou": [0.1, 0.2]}
    assert tree["iou"] == {"background": 0.5, "thing": None}
    assert tree["iou_interval_95"] == {"background": [0.4, 0.6], "thing": [None, None]}
    assert tree["f1_2px"] == {"background": 0.75, "thing": None}
    assert tree["f1_2px_interval_95"]["background"] == [0.7, 0.8]
    assert tree["confusion"] == [[3, 1], [0, 0]]
    assert tree["worst"] == {"a.png": 0.25, "b.png": 0.5}


def test_of_objects_there_are_no_classes_and_no_confusion() -> None:
    tree = as_tree(replace(FOUND, classes=(), matrix=None))
    assert not {"iou", "confusion", "f1_2px"} & set(tree)


def test_a_table_is_in_percent_with_a_dash_for_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(FOUND)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["background", "50.0", "40.0", "to", "60.0", "75.0", "70.0", "to", "80.0", "90.0"]
    assert lines[2] == ["thing", "-", "-", "-", "-", "10.0"]
    assert " ".join(lines[-1]) == (
        "toy on 2 pictures: mIoU 12.3 % (10.0 to 20.0), accuracy 90.0 %, mine - %, 12.3 ms a picture"
    )


def test_a_name_cannot_change_the_terminal_or_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(replace(FOUND, classes=(ClassRow("[red]x\x1b[31m", 0.5, 0.5, 1.0),)))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[red]x" in out


def test_a_sheet_has_a_row_a_picture_as_it_is_as_it_should_be_and_as_it_was_found(tmp_path: Path) -> None:
    write_sheet(FOUND, tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape == (300 + 150, 3 * 400, 3)
    plain, true, found = sheet[200, :400], sheet[200, 400:800], sheet[200, 800:]
    assert (plain == 90).all()
    assert (true[:190] != 90).any(1).all() and (true[210:] == 90).all()
    assert (found[:190] == 90).all() and (found[210:] != 90).any(1).all()
    assert (sheet[5:28, :150] > 200).any()


def test_a_sheet_replaces_nothing_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists"):
        write_sheet(FOUND, path)
    assert path.read_bytes() == b"precious"
    write_sheet(FOUND, path, overwrite=True)
    assert cv2.imread(str(path)) is not None


@pytest.mark.parametrize("name", ["sheet", "sheet.txt", "sheet.mp4"])
def test_a_sheet_that_is_no_picture_is_one_line_and_no_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="not a kind of picture that can be written"):
        write_sheet(FOUND, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
