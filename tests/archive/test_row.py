"""What a row says of a film."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamseg.archive.row import Row, Tally
from streamseg.contracts import Shown
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Instances, Segmentation
from tests.parts.events import event

CLASSES = Classes(("floor", "cell"), np.zeros((2, 3), np.uint8), background=0)


def shown(index: int, share: float, cells: int | None = None) -> Shown:
    labels = np.zeros((10, 10), np.uint8)
    labels[: round(10 * share)] = 1
    found = None if cells is None else objects(cells)
    frame = Frame(np.zeros((20, 20, 3), np.uint8), index, index * 0.5, 0.0)
    return Shown(frame, Segmentation(labels, CLASSES, index, 0.0, instances=found), frame.pixels, 0, {})


def objects(count: int) -> Instances:
    nothing = np.zeros((count, 4), np.float32)
    ids = np.ones(count, np.int32)
    return Instances(ids, nothing[:, 0], nothing, np.zeros((count, 2, 2), np.float32), ids)


def test_shares_are_of_the_whole_film_and_objects_the_most_at_once() -> None:
    tally = Tally()
    for index, (share, cells) in enumerate([(0.1, 2), (0.4, 5), (0.1, 1)]):
        tally.write(shown(index, share, cells))
    assert (tally.frames, tally.seconds) == (3, 1.0)
    cell, floor = tally.classes()["cell"], tally.classes()["floor"]
    assert (cell.mean_percent, cell.most_percent, cell.most_objects) == (20.0, 40.0, 5)
    assert (floor.mean_percent, floor.most_percent, floor.most_objects) == (80.0, 90.0, 0)


def test_each_minute_has_its_own() -> None:
    tally = Tally()
    for index, share in ((0, 0.1), (119, 0.3), (120, 0.5), (360, 0.2)):  # two frames a second
        tally.write(shown(index, share))
    first, second, last = tally.minutes()
    assert [(each.from_s, each.frames) for each in (first, second, last)] == [(0.0, 2), (60.0, 1), (180.0, 1)]
    assert (first.classes["cell"].mean_percent, second.classes["cell"].most_percent) == (20.0, 50.0)


def test_an_event_counts_once_in_the_minute_in_which_it_began() -> None:
    tally = Tally()
    told = ((0, event()), (60, event("update")), (120, event("update")), (121, event()), (122, event("end")))
    for index, each in told:  # two frames a second
        tally.write(shown(index, 0.5).with_events((each,)))
    assert tally.events == 2
    assert [each.events for each in tally.minutes()] == [1, 1]


def test_a_minute_begins_with_the_frame_of_its_time_however_that_was_rounded() -> None:
    tally = Tally()
    for index, time_s in enumerate((59.5, 60 - 1e-14, 60.5)):
        one = shown(index, 0.1)
        tally.write(replace(one, frame=replace(one.frame, time_s=time_s)))
    assert [(each.from_s, each.frames) for each in tally.minutes()] == [(0.0, 1), (60.0, 2)]


def test_models_that_tell_no_objects_apart_have_no_count_and_a_film_of_nothing_no_classes() -> None:
    tally = Tally()
    assert tally.classes() == {} and tally.seconds == 0
    tally.write(shown(7, 0.5))
    assert tally.classes()["cell"].most_objects is None and tally.seconds == 0


def test_a_row_with_an_error_is_not_done() -> None:
    assert Row(file="a", results="a").done
    assert not Row(file="a", results="a", error="broken").done
