from __future__ import annotations

import dataclasses

import numpy as np

from streamseg.motion.instances import joined
from streamseg.motion.tracking import Identities
from streamseg.segmentation import Instances


def objects(*boxes: tuple[float, float, float, float], classes: tuple[int, ...] = ()) -> Instances:
    n = len(boxes)
    return Instances(
        np.array(classes or [1] * n, np.int32),
        np.ones(n, np.float32),
        np.array(boxes, np.float32).reshape(n, 4),
        np.ones((n, 4, 4), np.float32),
        np.full(n, -1, np.int32),
    )


def numbered(identities: Identities, found: Instances, before: Instances | None, time_s: float = 0.0) -> Instances:
    return identities.follow(found, before, time_s)[0]


def test_who_was_there_before_keeps_the_number_and_who_is_new_gets_another() -> None:
    identities = Identities()
    first = numbered(identities, objects((0, 0, 10, 10), (50, 50, 70, 70)), None)
    assert first.track_ids.tolist() == [0, 1]
    second = numbered(identities, objects((52, 50, 72, 70), (100, 0, 110, 10), (1, 1, 11, 11)), first)
    assert second.track_ids.tolist() == [1, 2, 0]


def test_two_that_overlap_go_to_the_nearest_and_nobody_is_shared() -> None:
    identities = Identities()
    first = numbered(identities, objects((0, 0, 10, 10)), None)
    second = numbered(identities, objects((4, 0, 14, 10), (1, 0, 11, 10)), first)
    assert second.track_ids.tolist() == [1, 0]


def test_another_class_is_another_object() -> None:
    identities = Identities()
    first = numbered(identities, objects((0, 0, 10, 10), classes=(1,)), None)
    assert numbered(identities, objects((0, 0, 10, 10), classes=(2,)), first).track_ids.tolist() == [1]


def test_a_number_that_is_gone_is_not_given_again() -> None:
    identities = Identities()
    first = numbered(identities, objects((0, 0, 10, 10)), None)
    nobody = numbered(identities, objects(), first)
    assert len(nobody) == 0
    assert numbered(identities, objects((0, 0, 10, 10)), nobody).track_ids.tolist() == [1]


def test_numbers_that_a_model_gave_stay_and_are_given_to_nothing_else() -> None:
    identities, places = Identities(), objects((0, 0, 10, 10), (50, 50, 70, 70))
    mixed = dataclasses.replace(places, track_ids=np.array([0, -1], np.int32))
    first = numbered(identities, mixed, None)
    mine, own = first.track_ids.tolist()
    assert mine == 0 < own
    assert numbered(identities, mixed, first).track_ids.tolist() == [0, own]
    moved = dataclasses.replace(objects((0, 0, 10, 10), (300, 0, 310, 10)), track_ids=np.array([-1, 0], np.int32))
    other, mine = numbered(identities, moved, first).track_ids.tolist()
    assert mine == 0 < other != own


def film(
    *looks: list[tuple[float, float, float, float]], step_s: float = 0.1, to_right: float = 0.0
) -> list[list[int]]:
    """The numbers in each look at objects that move so many pixels to the right from look to look."""
    identities, known, told = Identities(), None, []
    for index, boxes in enumerate(looks):
        if known is not None:
            known = dataclasses.replace(known, boxes=known.boxes + np.array([to_right, 0, to_right, 0], np.float32))
        found, missing = identities.follow(objects(*boxes), known, index * step_s)
        told.append(found.track_ids.tolist())
        known = found if known is None else joined(found, known.take(missing))
    return told


def test_an_object_that_was_missed_for_a_second_has_its_number_again() -> None:
    one: list[tuple[float, float, float, float]] = [(0, 0, 10, 10)]
    assert film(one, *[[]] * 9, one)[-1] == [0]
    assert film(one, *[[]] * 19, one)[-1] == [1]


def test_behind_something_an_object_goes_on_as_it_went() -> None:
    identities, told = Identities(), []
    known: Instances | None = None
    for index in range(16):  # 10 px a look; what hides it stands from 60 to 100, and motion is lost there
        x = 10.0 * index
        seen = [(x, 0, x + 20, 20)] if x + 20 <= 60 or x >= 100 else []
        carried = known
        if known is not None and x + 20 <= 60:
            carried = dataclasses.replace(known, boxes=known.boxes + np.array([10, 0, 10, 0], np.float32))
        found, missing = identities.follow(objects(*seen), carried, index * 0.1)
        told += found.track_ids.tolist()
        known = found if carried is None else joined(found, carried.take(missing))
    assert set(told) == {0}


def test_half_an_object_that_comes_out_is_the_whole_one_that_went_in() -> None:
    whole, half = [(0.0, 0.0, 40.0, 20.0)], [(25.0, 0.0, 40.0, 20.0)]
    assert film(whole, [], half)[-1] == [0]
    assert film(whole, [], [(60.0, 0.0, 75.0, 20.0)])[-1] == [1]


def test_after_a_cut_nothing_is_remembered() -> None:
    identities = Identities()
    found = numbered(identities, objects((0, 0, 10, 10)), None)
    identities.follow(objects(), found, 0.1)
    assert numbered(identities, objects((0, 0, 10, 10)), None, 0.2).track_ids.tolist() == [1]
