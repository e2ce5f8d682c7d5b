from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from streamseg.training.progress import epoch_line, watching

HISTORY = [
    {"epoch": 1.0, "loss": 0.9, "seconds": 86.4},
    {"epoch": 2.0, "loss": 0.544, "seconds": 85.0, "validation miou": 0.423, "validation accuracy": 0.8},
]


def test_an_epoch_is_a_line() -> None:
    assert epoch_line(HISTORY[1], 60) == "epoch 2/60  loss 0.544  85 s  validation mIoU 42.3%"
    assert epoch_line(HISTORY[0], 60) == "epoch 1/60  loss 0.900  86 s"


def test_a_training_that_nobody_watches_prints_nothing_but_a_line_an_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with watching(2) as watcher:
        for done in range(1, 5):
            watcher.step(done, 4, 0.5)
        for row in HISTORY:
            watcher.epoch(row)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.strip() for line in err.splitlines() if line.strip()] == [epoch_line(row, 2) for row in HISTORY]
