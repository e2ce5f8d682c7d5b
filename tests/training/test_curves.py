from __future__ import annotations

import csv
from pathlib import Path

import cv2
import pytest

pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from streamseg.training.curves import _line, draw_curves, write_table

HISTORY = [
    {"epoch": 1.0, "loss": 0.9, "seconds": 86.4},
    {"epoch": 2.0, "loss": 0.544, "seconds": 85.0, "validation miou": 0.423, "validation accuracy": 0.8},
]


def test_a_table_has_a_line_an_epoch_and_a_column_for_whatever_was_ever_measured(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("of an earlier training")
    write_table(HISTORY, path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "seconds", "validation miou", "validation accuracy"]
    assert (rows[0]["validation miou"], rows[1]["validation miou"]) == ("", "0.423")
    assert [float(row["loss"]) for row in rows] == [0.9, 0.544]


def test_a_table_of_nothing_is_empty(tmp_path: Path) -> None:
    write_table([], tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text().strip() == ""


def test_a_curve_goes_through_the_epochs_that_were_measured() -> None:
    assert _line(HISTORY, "loss") == ([1.0, 2.0], [0.9, 0.544])
    assert _line(HISTORY, "validation miou") == ([2.0], [0.423])
    assert _line(HISTORY, "never") == ([], [])


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_curves_are_a_picture(epochs: int, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="curves need Matplotlib: pip install '.[train]'")
    draw_curves(HISTORY[:epochs], tmp_path / "curves.png")
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture is not None
    assert picture.shape == (600, 800, 3)
    assert picture.std() > 5
