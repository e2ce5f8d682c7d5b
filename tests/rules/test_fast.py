"""Things that leap further than their own length from frame to frame are counted, the right way."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.frame import Frame
from streamseg.rules.evaluate import Rules
from streamseg.rules.grammar import Rule
from streamseg.rules.shapes import Line
from streamseg.segmentation import Segmentation
from tests.parts.fakes import CLASSES

WIDTH, THINGS = 1280, 5


def counted(size: int, step: float, apart: float, *, west: bool = False, every: int = 1) -> tuple[dict[str, int], int]:
    """Squares that come in one after the other: crossings of the middle by direction, and starts of a speed rule."""
    fast = {"fast": Rule("thing.speed > 200 px/s")}
    rules = Rules(zones={}, lines={"gate": Line([[0.5, 0], [0.5, 1]])}, rules=fast)
    starts = 0
    for index in range(0, int((WIDTH + THINGS * apart + 2 * size) / step) + 4, every):
        labels = np.zeros((200, WIDTH), np.uint8)
        for thing in range(THINGS):
            left = round(-size - thing * apart + index * step)
            labels[80 : 80 + size, max(0, left) : max(0, left + size)] = 1
        labels = np.ascontiguousarray(labels[:, ::-1]) if west else labels
        frame = Frame(np.zeros((200, WIDTH, 3), np.uint8), index, index / 30, 0.0, "fast")
        found = rules(frame, Segmentation(labels, CLASSES, index, index / 30))
        starts += sum(event.kind == "start" for event in found.events)
    (crossings,) = [each.crossings for each in found.readings if each.zone == "gate"]
    return dict(crossings or {}), starts


@pytest.mark.parametrize("lengths", [0.5, 0.7, 0.8, 1, 1.5, 2])
@pytest.mark.parametrize("size", [20, 40, 100])
def test_all_that_cross_are_counted_up_to_two_lengths_a_frame(size: int, lengths: float) -> None:
    assert counted(size, size * lengths, 6 * size)[0] == {"westwards": 0, "eastwards": THINGS}
    assert counted(size, size * lengths, 6 * size, west=True)[0] == {"westwards": THINGS, "eastwards": 0}


def test_those_near_one_another_and_those_in_every_second_frame_are_counted_and_their_speed_is_known() -> None:
    assert counted(40, 30, 100) == ({"westwards": 0, "eastwards": THINGS}, 1)
    assert counted(40, 32, 240, every=2) == ({"westwards": 0, "eastwards": THINGS}, 1)


def test_one_that_goes_and_another_that_comes_far_away_are_not_one() -> None:
    rules = Rules(zones={}, lines={"gate": Line([[0.5, 0], [0.5, 1]])}, rules={})
    for index, left in enumerate([500, 500, 500, 700, 700]):
        labels = np.zeros((200, WIDTH), np.uint8)
        labels[80:120, left : left + 40] = 1
        frame = Frame(np.zeros((200, WIDTH, 3), np.uint8), index, index / 30, 0.0, "fast")
        found = rules(frame, Segmentation(labels, CLASSES, index, index / 30))
    assert [each.crossings for each in found.readings if each.zone == "gate"] in (
        [],
        [{"westwards": 0, "eastwards": 0}],
    )
