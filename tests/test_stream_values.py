"""A stream opened from Python: what is given to it, and what may be done with what it shows."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streamseg
from streamseg.errors import InputError

SCENE = "test://?frames=12&size=64x48"


def test_numbers_and_points_may_be_arrays_of_numpy() -> None:
    corners = np.array([[0, 0.5], [1, 0.5], [1, 1], [0, 1]], np.float32)
    options: dict[str, Any] = {
        "every": np.int64(2), "opacity": np.float32(0.5), "threads": np.int64(1), "size": np.array([64, 48]),
        "legend": np.bool_(True), "zones": {"belt": corners}, "fps": Fraction(30000, 1001),
    }  # fmt: skip
    shown = list(
        streamseg.open("test://?frames=4", model="otsu", rules={"seen": "foreground.area in belt > 0.5 %"}, **options)
    )
    assert len(shown) == 2
    assert {reading.zone for reading in shown[0].readings} == {"belt"}


@pytest.mark.parametrize("wrong", [(0, 0, 255), np.zeros((4, 4, 3), np.uint8)])
def test_a_background_that_is_no_name_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="background: expected text"):
        streamseg.open(SCENE, model="otsu", view="replace", background=wrong)


@pytest.mark.parametrize("form", ["image", "planes"])
def test_what_is_shown_goes_to_another_process(form: str, tmp_path: Path) -> None:
    source = SCENE
    if form == "planes":
        source = str(tmp_path / "film.mp4")
        streamseg.open(SCENE, source, model="otsu").run()
    shown = next(iter(streamseg.open(source, model="otsu")))
    for there in (pickle.loads(pickle.dumps(shown)), copy.deepcopy(shown)):
        assert (there.image == shown.image).all()
        assert (there.frame.image == shown.frame.image).all()
        assert (there.segmentation.labels == shown.segmentation.labels).all()
        assert there.frame.index == shown.frame.index


def test_what_later_masks_are_made_of_cannot_be_written_into() -> None:
    semantic, objects = (next(iter(streamseg.open(SCENE, model=model))).segmentation for model in ("person", "nuclei"))
    assert objects.instances is not None
    for array in (semantic.labels, semantic.confidence, objects.instances.boxes, objects.instances.scores):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0  # type: ignore[index]


def test_a_stream_that_was_closed_says_so_instead_of_having_no_frames() -> None:
    with streamseg.open("test://?size=64x48&frames=8", model="otsu") as stream:
        pass
    with pytest.raises(InputError, match="the stream is closed"):
        list(stream)
    with pytest.raises(InputError, match="the stream is closed"):
        stream.change(model="edges")
