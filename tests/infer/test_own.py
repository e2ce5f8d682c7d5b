"""Models that are objects of a program's own, and what every model of streamseg's has beside them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import streamseg
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.classical import METHODS
from streamseg.infer.own import own_segmenter
from streamseg.infer.tiles import tiled
from streamseg.segmentation import Segmentation
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
    whole = own_segmenter(least)
    assert (whole.scale, whole.classes) == (1.0, CLASSES)
    whole.scale = 0.5
    assert whole([frame()])[0].labels.shape == least([frame()])[0].labels.shape
    whole.close()
    assert least.closed == 1


def test_an_object_with_a_scale_of_its_own_is_told() -> None:
    marker = Marker()
    assert own_segmenter(marker) is marker


@pytest.mark.parametrize("name", [*METHODS, "person-pose", "person-auto", "person"])
def test_every_model_has_a_scale(name: str) -> None:
    for recipe in (load_segmenter(name), *([tiled(load_segmenter(name), 2)] if name == "person" else [])):
        segmenter = recipe.make(1)
        assert segmenter.scale == 1.0
        segmenter.close()
