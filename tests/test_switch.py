from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamseg.contracts import Segmenter, SegmenterFactory, Workers
from streamseg.errors import BackendError
from streamseg.segmentation import Classes
from streamseg.switch import ModelSwitch
from tests.parts.fakes import CLASSES, Marker, frame

OTHERS = Classes(("other", "things"), np.zeros((2, 3), np.uint8))


class Other(Marker):
    classes = OTHERS


class Made:
    """Makes segmenters and keeps them."""

    def __init__(self, kind: type[Marker] = Marker) -> None:
        self.all: list[Marker] = []
        self.threads: list[int] = []
        self._kind = kind

    def __call__(self, threads: int) -> Segmenter:
        self.threads.append(threads)
        self.all.append(self._kind())
        return self.all[-1]

    @property
    def open(self) -> int:
        return sum(not each.closed for each in self.all)


def recipe(make: Made) -> SegmenterFactory:
    return SegmenterFactory("first", CLASSES, make, parallel=True)


def fails(threads: int) -> Segmenter:
    raise BackendError("cannot run here")


def test_until_another_is_chosen_the_first_model_works() -> None:
    first = Made()
    worker = ModelSwitch().recipe(recipe(first)).make(3)
    (found,) = worker([frame(5)])
    assert found.labels.max() == 5
    assert first.threads == [3]
    assert worker.classes is CLASSES
    worker.close()
    assert first.open == 0


def test_a_worker_takes_the_new_model_with_its_next_frame_and_closes_the_old_one() -> None:
    switch, first, second = ModelSwitch(), Made(), Made(Other)
    worker = switch.recipe(recipe(first)).make(1)
    worker([frame(0)])
    switch.change(second, 2)
    assert first.open == 1
    assert worker.classes is CLASSES
    worker([frame(1)])
    assert first.open == 0
    assert worker.classes is OTHERS
    assert second.threads == [2]
    assert second.all[0].batches == [1]
    worker.close()
    assert second.open == 0


def test_each_worker_has_a_model_of_its_own_and_the_one_that_is_open_is_used() -> None:
    switch, first, second = ModelSwitch(), Made(), Made()
    factory = switch.recipe(recipe(first))
    workers = [factory.make(1) for _ in range(3)]
    switch.change(second, 1)
    assert len(second.all) == 1
    for worker in workers:
        worker([frame(0)])
        worker([frame(1)])
    assert len(second.all) == 3
    assert [each.batches for each in second.all] == [[1, 1]] * 3
    assert first.open == 0
    for worker in workers:
        worker.close()
    assert second.open == 0


def test_a_model_that_cannot_run_leaves_the_old_one_at_work() -> None:
    switch, first = ModelSwitch(), Made()
    worker = switch.recipe(recipe(first)).make(1)
    with pytest.raises(BackendError, match="cannot run here"):
        switch.change(fails, 1)
    assert switch.choice is None
    worker([frame(0)])
    assert first.open == 1
    assert first.all[0].batches == [1]


def test_a_choice_that_no_worker_came_to_take_is_closed_by_the_next_one_and_at_the_end() -> None:
    switch, second, third = ModelSwitch(), Made(), Made()
    switch.change(second, 1)
    switch.change(third, 1)
    assert second.open == 0
    assert third.open == 1
    switch.close()
    switch.close()
    assert third.open == 0
    ModelSwitch().close()


def test_a_worker_that_begins_later_begins_with_the_newest_model() -> None:
    switch, first, second = ModelSwitch(), Made(), Made()
    switch.change(second, 1)
    worker = switch.recipe(recipe(first)).make(1)
    worker([frame(0)])
    assert first.all == []
    assert len(second.all) == 1


def test_a_worker_keeps_its_scale_over_a_change() -> None:
    switch, first, second = ModelSwitch(), Made(), Made()
    worker = switch.recipe(recipe(first)).make(1)
    worker.scale = 0.5
    worker([frame(0)])
    assert first.all[0].scale == 0.5
    switch.change(second, 1)
    worker([frame(1)])
    assert second.all[0].scale == 0.5


def test_what_was_tuned_for_a_goal_asks_as_well_and_keeps_its_numbers() -> None:
    switch, first, second, live = ModelSwitch(), Made(), Made(), Made()
    tuned = replace(recipe(first), tuned={"live": Workers(2, 4, live)})
    made = switch.recipe(tuned)
    assert (made.name, made.parallel, made.tuned["live"].count, made.tuned["live"].threads) == ("first", True, 2, 4)
    worker = made.tuned["live"].make(4)
    worker([frame(0)])
    assert live.threads == [4]
    switch.change(second, 1)
    worker([frame(1)])
    assert live.open == 0
    assert second.all[0].batches == [1]
