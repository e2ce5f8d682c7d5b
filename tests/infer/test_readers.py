"""A network's outputs, read by its task."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.infer.model.spec import ROLES, ModelSpec, Task
from streamseg.infer.readers import READERS, InstanceReader, SemanticReader
from streamseg.said import Said

SPEC = ModelSpec(classes=("no", "yes"), outputs={"labels": "labels"})


def test_every_task_has_a_reader_and_roles() -> None:
    assert set(READERS) == set(ROLES) == set(get_args(Task))


def test_a_plane_without_a_batch_is_of_one_image() -> None:
    read = SemanticReader(SPEC, Said())
    assert [read.count(np.zeros(shape)) for shape in ((24, 32), (3, 24, 32))] == [1, 3]
    assert InstanceReader(SPEC, Said()).count(np.zeros((2, 100))) == 2


def test_a_label_covers_a_whole_number_of_pixels_or_one() -> None:
    reader = SemanticReader(SPEC, Said())

    def cell(height: int, width: int) -> int:
        return reader.cell((48, 64), {"labels": np.zeros((1, height, width), np.uint8)})

    assert [cell(48, 64), cell(12, 16), cell(11, 16)] == [1, 4, 1]
    for height, width in ((10, 16), (12, 32), (1, 64), (64, 48)):
        with pytest.raises(InputError, match=f"labels of {width}x{height} for an input of 64x48.*no segmentation"):
            cell(height, width)
    assert InstanceReader(SPEC, Said()).cell((48, 64), {}) == 1
