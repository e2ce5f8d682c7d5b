"""Objects followed over frames: where each came from, how long it is in a zone, and which lines it crosses."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.motion.tracking import Identities
from streamseg.rules.objects import Objects
from streamseg.rules.shapes import turn
from streamseg.segmentation import Instances

_LOST_S = 1.0  # an object that is seen again so soon, near where it was going, is the same
_LATE = 3.0  # times as far apart as the two frames before: further, and it is an interruption
_TRAIL_S = 1.0  # over which speed is measured, or since the frame before where that was longer ago
_MOST_FRAMES = 1000  # of both, for a stream whose clock stands still
_SHORTEST_S = 0.2  # over less it is noise
_MARGIN = 0.005  # of the picture's diagonal: so far behind a line an object has crossed it
_HORIZON = 1e-9  # of what is below it the ground's homography makes more
_ENTERS, _LEAVES = 0.5, 0.4  # share of an object in a zone from which it is in it, and below which it is out
Point = tuple[float, float]


class _Step(NamedTuple):
    time_s: float
    middle: Point
    foot: Point


@dataclass(slots=True)
class Track:
    """One object of the stream."""

    class_id: int
    box: list[float]
    """Left, top, right, bottom in pixels of the frame."""
    seen_s: float
    seen_frame: int = 0
    trail: deque[_Step] = field(default_factory=lambda: deque(maxlen=_MOST_FRAMES))
    since: dict[str, float] = field(default_factory=dict)
    """When it came into each zone in which it is."""
    behind: dict[str, tuple[bool, Point]] = field(default_factory=dict)
    """On which side of each line it was last, and where."""

    def step(self, time_s: float, middle: Point, foot: Point) -> None:
        """Where it is now."""
        self.trail.append(_Step(time_s, middle, foot))
        while len(self.trail) > 2 and time_s - self.trail[0].time_s > _TRAIL_S:
            self.trail.popleft()

    def expected(self, time_s: float) -> list[float]:
        """Its box, moved on as it moved lately."""
        first, last = self.trail[0], self.trail[-1]
        past_s = last.time_s - first.time_s
        if past_s <= 0:
            return self.box
        ahead = (time_s - last.time_s) / past_s
        x, y = ((now - then) * ahead for now, then in zip(last.middle, first.middle, strict=True))
        left, top, right, bottom = self.box
        return [left + x, top + y, right + x, bottom + y]

    def speed(self, homography: NDArray[np.float64] | None) -> float:
        """Pixels a second of its middle or, with a `homography` of the ground, metres a second of its foot; 0 of a foot
        that is above the horizon, and not on the ground."""
        first, last = self.trail[0], self.trail[-1]
        past_s = last.time_s - first.time_s
        if past_s < _SHORTEST_S:
            return 0.0
        if homography is None:
            return math.dist(first.middle, last.middle) / past_s
        here, before = (_on_ground(each.foot, homography) for each in (last, first))
        return math.dist(here, before) / past_s if here and before else 0.0

    def enter_or_leave(self, zone: str, share: float, time_s: float) -> None:
        """Told how much of it is in `zone`."""
        if share >= (_LEAVES if zone in self.since else _ENTERS):
            self.since.setdefault(zone, time_s)
        else:
            self.since.pop(zone, None)


class Followed:
    """The objects of one stream; belongs to one thread."""

    def __init__(self) -> None:
        self._identities = Identities()
        self._frames = 0
        self._time_s: float | None = None
        self._usual_s = math.inf
        """How long the frame before had come after the one before that; nobody knows yet."""
        self.tracks: dict[int, Track] = {}
        """Those that are in the picture, and those that were within the last second."""

    def see(self, objects: Objects, time_s: float) -> list[Track]:
        """The tracks of `objects`, in their order."""
        self._frames += 1
        apart_s = 0.0 if self._time_s is None else time_s - self._time_s
        # Frames may be further apart than that, and then what the last one shows is not lost from sight.
        lost_s = apart_s if _LOST_S < apart_s <= _LATE * self._usual_s else _LOST_S
        self._time_s, self._usual_s = time_s, apart_s if self._frames > 1 else math.inf
        self.tracks = {
            number: each
            for number, each in self.tracks.items()
            if time_s - each.seen_s <= lost_s and self._frames - each.seen_frame <= _MOST_FRAMES
        }
        found = objects.found
        if (found.track_ids < 0).any():
            found, _ = self._identities.follow(found, self._expected(time_s), time_s, leaps=True)
        places = objects.middles.tolist(), objects.feet.tolist(), found.boxes.tolist()
        seen = []
        for number, class_id, (x, y), (foot_x, foot_y), box in zip(
            found.track_ids.tolist(), found.class_ids.tolist(), *places, strict=True
        ):
            track = self.tracks.get(number)
            if track is None:
                track = self.tracks[number] = Track(class_id, box, time_s)
            track.class_id, track.box, track.seen_s, track.seen_frame = class_id, box, time_s, self._frames
            track.step(time_s, (x, y), (foot_x, foot_y))
            seen.append(track)
        return seen

    def _expected(self, time_s: float) -> Instances:
        """Where those that are known should be now."""
        tracks = list(self.tracks.values())
        boxes = np.array([each.expected(time_s) for each in tracks], np.float32).reshape(-1, 4)
        return Instances(
            np.array([each.class_id for each in tracks], np.int32), np.ones(len(tracks), np.float32),
            boxes, np.zeros((len(tracks), 0, 0), np.float32),
            np.array(list(self.tracks), np.int32),
        )  # fmt: skip


class Gate:
    """A line in a frame of one size."""

    def __init__(self, ends: NDArray[np.float64], directions: tuple[str, str], frame: tuple[int, int]) -> None:
        """`ends`: (2, 2) x and y; `directions` across it, up or left first; `frame`: (height, width)."""
        (x0, y0), (x1, y1) = ends.tolist()
        self._from, self._to, self.directions = (x0, y0), (x1, y1), directions
        across = (y0 - y1, x1 - x0)
        flip = -1 if (across[1] if directions[0] == "northwards" else across[0]) < 0 else 1
        length = math.hypot(*across) or 1.0
        self._across = flip * across[0] / length, flip * across[1] / length
        self._margin = _MARGIN * math.hypot(*frame)

    def crossed(self, name: str, track: Track, here: Point) -> str | None:
        """The direction in which `track`, which is `here` now, just crossed the line of that name."""
        off = (here[0] - self._from[0]) * self._across[0] + (here[1] - self._from[1]) * self._across[1]
        if abs(off) < self._margin:
            return None
        before = track.behind.get(name)
        track.behind[name] = off > 0, here
        if before is None or before[0] == (off > 0) or not _meet(before[1], here, self._from, self._to):
            return None
        return self.directions[off > 0]


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the ways from a to b and from c to d cross."""
    return turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0


def _on_ground(point: Point, homography: NDArray[np.float64]) -> Point | None:
    x, y, w = (homography @ (*point, 1.0)).tolist()
    return (x / w, y / w) if w > _HORIZON else None
