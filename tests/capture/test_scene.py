from __future__ import annotations

import time

import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.capture.scene import SCENE_CLASSES, SceneSource
from streamseg.errors import InputError
from streamseg.options import Size, SourceOptions


def scene(uri: str = "test://?frames=20") -> SceneSource:
    return SceneSource(uri, SourceOptions())


def test_a_scene_is_the_same_for_the_same_seed_and_moves() -> None:
    first, again, other = scene(), scene(), scene("test://?frames=20&seed=5")
    assert (first.image(7) == again.image(7)).all()
    assert (first.image(7) != other.image(7)).any()
    assert (first.image(7) != first.image(8)).any()


def test_labels_are_exactly_where_the_things_are() -> None:
    made = scene()
    for index in (0, 9, 19):
        changed = (made.image(index) != made._ground).any(2)
        labels = made.labels(index)
        assert not (changed & (labels == 0)).any()
        assert (changed & (labels > 0)).sum() > 0.99 * (labels > 0).sum()
        assert int(labels.max()) < len(SCENE_CLASSES)


def test_frames_asked_for_make_a_file_and_none_a_camera() -> None:
    finite = open_source("test://?frames=5&size=64x48&fps=10")
    assert np.allclose([frame.time_s for frame in finite], [0.0, 0.1, 0.2, 0.3, 0.4])
    assert (finite.info.width, finite.info.height, finite.info.live) == (64, 48, False)
    live = open_source("test://", SourceOptions(size=Size((32, 24)), fps=100))
    assert live.info.live
    seen, started_s = [], time.monotonic()
    for frame in live:
        seen.append(frame)
        if len(seen) == 5:
            live.close()
    assert all(frame.arrived_s >= started_s + frame.time_s for frame in seen)  # never before its time


@pytest.mark.parametrize("size", ["1x1", "7x3", "33x65"])
def test_a_tiny_scene_is_no_trouble(size: str) -> None:
    assert all(np.isin(scene(f"test://?frames=3&size={size}").labels(i), range(4)).all() for i in range(3))


WRONG = (
    "frame=3",
    "frames=x",
    "frames=-1",
    "frames=inf",
    "fps=0",
    "fps=inf",
    "seed=inf",
    "size=big",
    "size=0x3",
    "size=3",
)


@pytest.mark.parametrize("query", [*WRONG, "size=²x3", f"size={'9' * 5000}x1"], ids=lambda query: query[:12])
def test_a_wrong_question_is_one_line(query: str) -> None:
    with pytest.raises(InputError, match="test://"):
        open_source(f"test://?{query}")


@pytest.mark.parametrize("count", ["0", "-1", "nan", "many"])
def test_a_count_of_frames_that_is_none_is_refused(count: str) -> None:
    with pytest.raises(InputError, match="frames must be a number above 0"):
        SceneSource(f"test://?frames={count}", SourceOptions())
