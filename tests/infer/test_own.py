"""Models that are objects of a program's own, and what every model of streamseg's has beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

import streamseg
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.classical import METHODS
from streamseg.infer.own import OwnSegmenter
from streamseg.infer.tiles import tiled
from streamseg.segmentation import Instances, Segmentation
from tests.parts.fakes import CLASSES, Marker, frame, segmentation


class Least:
    """As small as a model may be; nothing can be set on it."""

    __slots__ = ("closed",)
    classes = CLASSES

    def __init__(self) -> None:
        self.closed = 0

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [segmentation(one) for one in frames]

    def close(self) -> None:
        self.closed += 1


def test_an_object_with_classes_call_and_close_is_enough() -> None:
    assert len(list(streamseg.open("test://?frames=4&size=64x48", model=Least()))) == 4


def test_an_object_without_a_scale_gets_one_that_changes_nothing() -> None:
    least = Least()
    whole = OwnSegmenter(least)
    assert (whole.scale, whole.classes) == (1.0, CLASSES)
    whole.scale = 0.5
    assert whole([frame()])[0].labels.shape == least([frame()])[0].labels.shape
    whole.close()
    assert least.closed == 1


def test_an_object_with_a_scale_of_its_own_is_told() -> None:
    marker = Marker()
    whole = OwnSegmenter(marker)
    whole.scale = 0.5
    assert (whole.scale, marker.scale) == (0.5, 0.5)


@pytest.mark.parametrize("name", [*METHODS, "person-pose", "person-auto", "person"])
def test_every_model_has_a_scale(name: str) -> None:
    for recipe in (load_segmenter(name), *([tiled(load_segmenter(name), 2)] if name == "person" else [])):
        segmenter = recipe.make(1)
        assert segmenter.scale == 1.0
        segmenter.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "0 segmentations"),
        ([segmentation(frame())] * 3, "3 segmentations"),
        (None, "NoneType"),
        (segmentation(frame()), "no list"),
        (iter([None, None]), "NoneType"),
        ([np.zeros((4, 4), np.uint8)] * 2, "ndarray"),
    ],
    ids=["none of them", "too many", "nothing", "one alone", "generator of nothing", "arrays"],
)
def test_what_is_not_one_segmentation_for_each_frame_is_refused(given: object, said: str) -> None:
    class Wrong(Least):
        def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
            return given  # type: ignore[return-value]

    with pytest.raises(InputError, match=f"Wrong gave {said} for 2 frames"):
        streamseg.load(Wrong())([np.zeros((4, 4, 3), np.uint8)] * 2)
    with pytest.raises(InputError, match=f"Wrong gave {said} for 1 frame"):
        given = iter([None]) if said == "NoneType" else given
        streamseg.open("test://?frames=4&size=64x48", model=Wrong()).run()


def test_a_generator_of_segmentations_is_taken() -> None:
    class Yielding(Least):
        def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
            return (segmentation(one) for one in frames)  # type: ignore[return-value]

    assert len(streamseg.load(Yielding())([np.zeros((4, 4, 3), np.uint8)] * 2)) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class_ids": np.array([2], np.int32)}, "gave an object of class 2, of 2 classes"),
        ({"class_ids": np.array([-1], np.int32)}, "gave an object of class -1, of 2 classes"),
        ({"boxes": np.array([[0, 0, np.nan, 9]], np.float32)}, "gave an object whose box or score is no number"),
        ({"scores": np.array([np.inf], np.float32)}, "gave an object whose box or score is no number"),
        ({"masks": np.ones((1, 0, 0), np.float32)}, "gave an object whose mask has no pixels"),
    ],
)
def test_objects_that_are_none_are_told_with_what_gave_them(change: dict[str, object], said: str) -> None:
    one = Instances(
        np.ones(1, np.int32),
        np.ones(1, np.float32),
        np.array([[0, 0, 9, 9]], np.float32),
        np.ones((1, 2, 2), np.float32),
        np.full(1, -1, np.int32),
    )

    class Finds(Least):
        def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
            return [dataclasses.replace(segmentation(each), instances=found) for each in frames]

    found = one
    assert OwnSegmenter(Finds())([frame()])[0].instances is one
    found = dataclasses.replace(one, **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"Finds {said}"):
        OwnSegmenter(Finds())([frame()])
