from __future__ import annotations

import numpy as np

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


def test_who_was_there_before_keeps_the_number_and_who_is_new_gets_another() -> None:
    identities = Identities()
    first = identities.follow(objects((0, 0, 10, 10), (50, 50, 70, 70)), None)
    assert first.track_ids.tolist() == [0, 1]
    second = identities.follow(objects((52, 50, 72, 70), (100, 0, 110, 10), (1, 1, 11, 11)), first)
    assert second.track_ids.tolist() == [1, 2, 0]


def test_two_that_overlap_go_to_the_nearest_and_nobody_is_shared() -> None:
    identities = Identities()
    first = identities.follow(objects((0, 0, 10, 10)), None)
    second = identities.follow(objects((4, 0, 14, 10), (1, 0, 11, 10)), first)
    assert second.track_ids.tolist() == [1, 0]


def test_another_class_is_another_object() -> None:
    identities = Identities()
    first = identities.follow(objects((0, 0, 10, 10), classes=(1,)), None)
    assert identities.follow(objects((0, 0, 10, 10), classes=(2,)), first).track_ids.tolist() == [1]


def test_a_number_that_is_gone_is_not_given_again() -> None:
    identities = Identities()
    first = identities.follow(objects((0, 0, 10, 10)), None)
    nobody = identities.follow(objects(), first)
    assert len(nobody) == 0
    assert identities.follow(objects((0, 0, 10, 10)), nobody).track_ids.tolist() == [1]
