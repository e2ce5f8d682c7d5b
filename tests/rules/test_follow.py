"""Objects as they are followed; what is made of it: test_counts.py."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.rules import follow
from streamseg.rules.follow import Followed
from streamseg.rules.objects import Objects
from streamseg.segmentation import Instances


def one_at(x: float, track_id: int) -> Objects:
    box, place = np.array([[x, 0, x + 10, 10]], np.float32), np.array([[x + 5, 5.0]])
    found = Instances(
        np.zeros(1, np.int32),
        np.ones(1, np.float32),
        box,
        np.ones((1, 1, 1), np.float32),
        np.array([track_id], np.int32),
    )
    return Objects(found, place, place, np.ones(1), ())


def test_a_clock_that_stands_still_makes_no_history_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_MOST_FRAMES", 20)
    followed = Followed()
    for number in range(100):
        (one,) = followed.see(one_at(number * 100.0, number), 1.0)
        assert one.class_id == 0
    assert len(followed.tracks) <= 21
    for _ in range(100):
        (one,) = followed.see(one_at(0.0, 1000), 1.0)
    assert len(one.trail) == 20
    assert list(followed.tracks) == [1000]


def test_what_is_lost_from_sight_for_a_second_is_known_again() -> None:
    followed = Followed()
    followed.see(one_at(0.0, 7), 0.0)
    followed.see(one_at(500.0, 8), 1.0)
    assert set(followed.tracks) == {7, 8}
    followed.see(one_at(500.0, 8), 1.5)
    assert set(followed.tracks) == {8}


def test_frames_that_are_far_apart_do_not_lose_what_each_of_them_shows() -> None:
    followed = Followed()
    tracks = [followed.see(one_at(4.0 * number, 7), 5.0 * number)[0] for number in range(4)]
    assert all(each is tracks[0] for each in tracks)
    assert tracks[-1].speed(None) == pytest.approx(0.8)
    followed.see(one_at(500.0, 8), 20.0)
    assert set(followed.tracks) == {7, 8}
    followed.see(one_at(500.0, 8), 25.0)
    assert set(followed.tracks) == {8}, "lost from sight in the frame before"


def test_an_interruption_loses_what_was_there() -> None:
    followed = Followed()
    for number in range(4):
        before = followed.see(one_at(0.0, 7), 0.1 * number)[0]
    assert followed.see(one_at(0.0, 7), 5.0)[0] is not before
