"""Many cameras at one network server: how soon a mask comes back, and how full the server is.

A closed queue: a camera asks for its next mask only once it has the last one and a new frame. The server answers those
that wait in groups, whose time grows with their size, as `infer/batching.py` and Triton's dynamic batching do. What
stands at the server each time it becomes free is a Markov chain, solved as it is (after Bailey, 1954, "On queueing
processes with bulk service", here with a finite number of customers).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST_SOLVED = 300
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Server:
    """What answers."""

    call_s: float
    """Seconds of a call, however many pictures it holds."""
    picture_s: float
    """Seconds that each picture of a call adds."""
    most: int = 16
    """Pictures in a call."""

    def takes_s(self, pictures: float) -> float:
        """A call with so many."""
        return self.call_s + self.picture_s * pictures


@dataclass(frozen=True, slots=True)
class Share:
    """What each of the cameras gets, in the long run."""

    answers: float
    """A second, of all cameras together."""
    wait_s: float
    """From a camera's question to its answer, on average."""
    busy: float
    """Share of the time that the server works, 0..1."""
    group: float
    """Pictures in a call, on average."""


def shared(server: Server, cameras: int, pause_s: float) -> Share:
    """What `cameras` get of `server` when each asks again `pause_s` after an answer, on average.

    Args:
        server: how long its calls take.
        cameras: at least 1; above 300 chance evens out, and calls are taken to be all alike.
        pause_s: seconds until there is a new frame; above 0.
    """
    if cameras > _MOST_SOLVED:
        return _evened_out(server, cameras, pause_s)
    groups = np.clip(np.arange(cameras + 1), 1, server.most)  # by how many wait; where none does, the next that asks
    calls_s = np.array([server.takes_s(pictures) for pictures in groups.tolist()])
    idle_s = np.zeros(cameras + 1)
    idle_s[0] = pause_s / cameras
    often = _stationary(_steps(cameras, groups, calls_s, pause_s))
    cycle_s, served = float(often @ (calls_s + idle_s)), float(often @ groups)
    answers = served / cycle_s
    return Share(answers, cameras / answers - pause_s, float(often @ calls_s) / cycle_s, served)  # Little's law


def paced(server: Server, cameras: int, frame_s: float) -> tuple[Share, float]:
    """The same of cameras that ask about the first frame after an answer, one every `frame_s`.

    And seconds between two masks of a camera, never fewer than between two frames.
    """
    pause_s = frame_s / 2
    for _ in range(_ROUNDS):  # an answer within a frame leaves the rest of it, a later one half a frame on average
        pause_s = (pause_s + max(frame_s / 2, frame_s - shared(server, cameras, pause_s).wait_s)) / 2
    found = shared(server, cameras, pause_s)
    return found, max(frame_s, cameras / found.answers)


def most_cameras(server: Server, frame_s: float, every_s: float, limit: int) -> int:
    """How many, of `limit`, can each have a mask every `every_s` seconds; 0 if not even one."""
    least, most = 0, limit
    while least < most:
        tried = (least + most + 1) // 2
        if paced(server, tried, frame_s)[1] <= every_s:
            least = tried
        else:
            most = tried - 1
    return least


def _evened_out(server: Server, cameras: int, pause_s: float) -> Share:
    """Of very many: while a call runs, the next one gathers."""
    full = server.most / server.takes_s(server.most)
    answers = min(full, cameras / pause_s)
    for _ in range(_ROUNDS):
        left = 1 - answers * server.picture_s
        group = min(server.most, max(1.0, answers * server.call_s / left)) if left > 0 else float(server.most)
        call_s = server.takes_s(group)
        answers = (answers + min(full, cameras / (pause_s + 1.5 * call_s))) / 2
    return Share(answers, cameras / answers - pause_s, min(1.0, answers * call_s / group), group)


def _steps(
    cameras: int, groups: NDArray[np.int64], calls_s: NDArray[np.float64], pause_s: float
) -> NDArray[np.float64]:
    """[i, j]: how likely j cameras wait at the end of a call at whose beginning i did."""
    steps = np.zeros((cameras + 1, cameras + 1))
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, cameras + 1)))])  # their logarithms
    for waiting in range(cameras + 1):
        inside = max(1, waiting)
        left = inside - int(groups[waiting])
        steps[waiting, left : left + cameras - inside + 1] = _binomial(
            factorials[: cameras - inside + 1], -math.expm1(-calls_s[waiting] / pause_s)
        )
    return steps


def _binomial(factorials: NDArray[np.float64], chance: float) -> NDArray[np.float64]:
    """How likely none to all of so many ask, each with this chance, 0..1; the logarithm of each number's factorial."""
    chance = min(chance, 1 - 1e-9)  # so that every number can come after every other
    count = len(factorials) - 1
    asked = np.arange(count + 1)
    ways = factorials[count] - factorials - factorials[::-1]
    likely: NDArray[np.float64] = np.exp(
        ways + asked * math.log(max(chance, 1e-300)) + (count - asked) * math.log1p(-chance)
    )
    return likely


def _stationary(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often each state is met in the long run."""
    equations = steps.T - np.eye(len(steps))
    equations[-1] = 1  # one equation follows from the others; they add up to one instead
    known = np.zeros(len(steps))
    known[-1] = 1
    found: NDArray[np.float64] = np.linalg.solve(equations, known)
    return found
