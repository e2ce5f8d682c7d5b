from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from streamseg.training.task import main_scores


def test_of_a_row_the_scores_that_epochs_are_picked_by_are_told_with_their_set() -> None:
    row = {"epoch": 3.0, "validation miou": 0.5, "validation accuracy": 0.9, "night right": 0.25, "miou": 1.0}
    assert main_scores(row) == {"validation mIoU": 0.5, "night objects right": 0.25}
    assert main_scores({"epoch": 1.0, "loss": 0.9, "seconds": 86.4}) == {}
    assert main_scores({"held out miou": 0.5, "held out right": 0.1, "held out turn right": 0.2}) == {
        "held out mIoU": 0.5
    }
    assert main_scores({"by day miou": 0.5}) == {"by day mIoU": 0.5}
