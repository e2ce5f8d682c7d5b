"""The queue at a server against a simulation of it, camera by camera, in time that is only counted."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from streamseg.capacity.queueing import Server, most_cameras, paced, shared

CALLS = 4000


def simulated(server: Server, cameras: int, pause_s: float) -> tuple[float, float, float]:
    """Answers a second, mean wait and busy share: each camera pauses up to twice `pause_s`, as the next frame comes."""
    dice = np.random.default_rng(0)
    asks = [(dice.uniform(0, 2 * pause_s), camera) for camera in range(cameras)]
    heapq.heapify(asks)
    now_s = busy_s = waited_s = 0.0
    waiting: list[tuple[float, int]] = []
    answers = 0
    for _ in range(CALLS):
        while asks and (not waiting or asks[0][0] <= now_s):
            now_s = max(now_s, asks[0][0])
            waiting.append(heapq.heappop(asks))
        group, waiting = waiting[: server.most], waiting[server.most :]
        took_s = server.takes_s(len(group))
        now_s, busy_s, answers = now_s + took_s, busy_s + took_s, answers + len(group)
        for asked_s, camera in group:
            waited_s += now_s - asked_s
            heapq.heappush(asks, (now_s + dice.uniform(0, 2 * pause_s), camera))
    return answers / now_s, waited_s / answers, busy_s / now_s


@pytest.mark.parametrize("cameras", [1, 2, 6, 40])
@pytest.mark.parametrize("pause_s", [0.033, 0.3])
@pytest.mark.parametrize(
    "server", [Server(0.02, 0.01), Server(0.005, 0.001), Server(0, 0.033, most=1), Server(0.03, 0.003, most=4)], ids=str
)
def test_the_calculated_queue_is_the_simulated_one_within_a_tenth(server: Server, pause_s: float, cameras: int) -> None:
    found, expected = shared(server, cameras, pause_s), simulated(server, cameras, pause_s)
    assert (found.answers, found.wait_s, found.busy) == pytest.approx(expected, rel=0.1)


def test_one_camera_waits_for_its_own_call_alone() -> None:
    found = shared(Server(0.02, 0.01), 1, 0.07)
    assert (found.answers, found.wait_s, found.busy, found.group) == pytest.approx((10, 0.03, 0.3, 1))


def test_a_server_that_answers_at_once_is_idle() -> None:
    found = shared(Server(0, 1e-9), 10, 0.1)
    assert found.answers == pytest.approx(100, rel=1e-3)
    assert found.busy < 1e-3


@pytest.mark.parametrize("every_s", [0.1, 0.33, 1.0])
def test_one_camera_more_than_the_most_would_wait_too_long(every_s: float) -> None:
    server, frame_s = Server(0.02, 0.003), 1 / 15
    most = most_cameras(server, frame_s, every_s, 1000)
    assert paced(server, most, frame_s)[1] <= every_s < paced(server, most + 1, frame_s)[1]


def test_a_call_that_takes_longer_than_the_time_between_masks_serves_nobody() -> None:
    assert most_cameras(Server(0.4, 0.1), 1 / 15, 0.33, 1000) == 0


@pytest.mark.parametrize("fps", [0.1, 1, 5, 15])
def test_a_camera_has_no_more_masks_than_frames(fps: float) -> None:
    found, every_s = paced(Server(0.02, 0.003), 1, 1 / fps)
    assert every_s == pytest.approx(1 / fps, rel=1e-3)
    assert found.answers == pytest.approx(fps, rel=1e-3)


@pytest.mark.parametrize(("cameras", "pause_s"), [(301, 0.5), (600, 0.03), (900, 9.0)])
def test_of_very_many_it_is_the_simulated_one_as_well(cameras: int, pause_s: float) -> None:
    server = Server(0.02, 0.003)
    found, expected = shared(server, cameras, pause_s), simulated(server, cameras, pause_s)
    assert (found.answers, found.busy) == pytest.approx((expected[0], expected[2]), rel=0.1)
