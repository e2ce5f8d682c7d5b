"""Objects that lie over one another, between two looks of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

import streamseg
from streamseg.frame import Frame, StreamInfo
from streamseg.segmentation import Classes, Instances, Segmentation
from tests.privacy.scenes import FPS, HEIGHT, SECRET, WIDTH, secret

CLASSES = Classes(("background", "person", "car"), np.zeros((3, 3), np.uint8), background=0)
CAR = 20, 10, 140, 86
COUNT = 32


class StepsOut:
    """A car, and from frame `enters` to `leaves` a person before it, who steps out of the dark at once."""

    counters: Mapping[str, int] = {}

    def __init__(self, enters: int, leaves: int) -> None:
        self.info = StreamInfo("car", WIDTH, HEIGHT, FPS, False, COUNT)
        self._enters, self._leaves = enters, leaves

    def person(self, index: int) -> tuple[int, int, int, int] | None:
        """Left, top, right, bottom."""
        left = 60 + index
        return (left, 30, left + 20, 80) if self._enters <= index < self._leaves else None

    def __iter__(self) -> Iterator[Frame]:
        ground = np.random.default_rng(1).integers(60, 140, (HEIGHT // 4, WIDTH // 4), np.uint8)
        for index in range(COUNT):
            picture = np.repeat(np.repeat(ground, 4, 0), 4, 1)[..., None].repeat(3, 2)
            if box := self.person(index):
                picture[box[1] : box[3], box[0] : box[2]] = SECRET
            yield Frame(np.ascontiguousarray(picture), index, index / FPS, 0.0, "car")

    def close(self) -> None:
        pass


class SurerOfTheCar:
    """Finds both; the car lies on top."""

    classes = CLASSES

    def __init__(self, source: StepsOut) -> None:
        self._source = source

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [self._found(frame) for frame in frames]

    def _found(self, frame: Frame) -> Segmentation:
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        labels[CAR[1] : CAR[3], CAR[0] : CAR[2]] = 2
        boxes = [box for box in (CAR, self._source.person(frame.index)) if box]
        n = len(boxes)
        objects = Instances(
            np.array([2, 1][:n], np.int32),
            np.array([0.9, 0.5][:n], np.float32),
            np.array(boxes, np.float32),
            np.ones((n, 8, 8), np.float32),
            np.full(n, -1, np.int32),
        )
        return Segmentation(labels, CLASSES, frame.index, frame.time_s, None, objects)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("effort", ["quick", "fine"])
@pytest.mark.parametrize("target", ["quality", "fps"])
def test_who_is_seen_before_a_surer_car_since_a_moment_or_for_one_more_is_hidden(target: str, effort: str) -> None:
    for enters, leaves in ((11, COUNT), (13, COUNT), (0, 17)):
        source = StepsOut(enters, leaves)
        options = {"hide": "person", "hide_with": "black", "view": "source", "target": target, "effort": effort}
        shown = list(streamseg.open(source, model=SurerOfTheCar(source), **options))  # type: ignore[arg-type]
        assert [each.frame.index for each in shown if secret(each.image)] == []
        assert not all(each.image.max() <= 40 for each in shown)
