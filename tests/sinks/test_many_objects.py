"""Pictures with more objects than a byte has numbers for, or two bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import OutputError
from streamseg.frame import Frame
from streamseg.maskfile import read_mask
from streamseg.segmentation import Classes, Instances, Segmentation
from streamseg.sinks import open_sink
from tests.parts.fakes import FILE

CLASSES = Classes(("ground", "cell", "dirt"), np.array([[0, 0, 0], [10, 20, 230], [9, 9, 9]], np.uint8), 0)
SIDE = 600


def with_objects(count: int) -> Shown:
    """Objects of 1x1 pixel in every second column and row, of both classes in turns."""
    row, column = np.divmod(np.arange(count), SIDE // 2)
    left_top = np.stack([column, row], 1) * 2
    found = Instances(
        (np.arange(count) % 2 + 1).astype(np.int32),
        np.full(count, 0.9, np.float32),
        np.hstack([left_top, left_top + 1]).astype(np.float32),
        np.ones((count, 1, 1), np.float32),
        np.full(count, -1, np.int32),
    )
    frame = Frame(np.zeros((SIDE, SIDE, 3), np.uint8), 0, 0.0, 0.0, "cells.mp4")
    labels = np.zeros((SIDE, SIDE), np.uint8)
    return Shown(frame, Segmentation(labels, CLASSES, 0, 0.0, instances=found), frame.image, 0, {})


@pytest.mark.parametrize("count", [255, 256, 1000])
def test_each_has_a_number_of_its_own_in_a_data_set(count: int, tmp_path: Path) -> None:
    sink = open_sink(f"dataset:{tmp_path}?every=1s", FILE, Controls())
    sink.write(with_objects(count))
    sink.close()
    numbers, classes = (read_mask(next((tmp_path / f"Segmentation{part}").iterdir())) for part in ("Object", "Class"))
    assert np.array_equal(numbers[::2, ::2].reshape(-1)[:count], np.arange(1, count + 1))
    assert np.count_nonzero(numbers) == np.count_nonzero(classes) == count
    assert np.array_equal(classes[::2, ::2].reshape(-1)[:count], np.arange(count) % 2 + 1)


@pytest.mark.parametrize("output", ["dataset:{}/set?every=1s", "{}/labels.tif"])
def test_more_than_two_bytes_can_number_are_refused_and_never_share_a_number(output: str, tmp_path: Path) -> None:
    sink = open_sink(output.format(tmp_path), FILE, Controls())
    with pytest.raises(OutputError, match="65536 objects in a frame: their numbers do not fit in 16 bits"):
        sink.write(with_objects(65_536))
    sink.close()
    assert not list(tmp_path.rglob("*.png"))
