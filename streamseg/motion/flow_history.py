"""The frames of the last two seconds and the motion between them, found when it is first asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.motion.flow import Flow, Search, Thumbnail, compose, inverse, resized

_DEPTH_S = 2.0
_DEPTH = 120


class _Way(NamedTuple):
    """How far the way to a frame has been followed."""

    then: Thumbnail
    at: Thumbnail
    flow: Flow | None


class History:
    """What is known of the newest frames of a stream, and the way from one to another.

    `search` may become another one at any time: what was found before is resized to the pictures of the new one.
    """

    def __init__(self, search: Search) -> None:
        self.search = search
        self._looks: list[Thumbnail] = []
        self._steps: dict[tuple[int, int], Flow | None] = {}
        self._ways: list[_Way] = []

    @property
    def newest(self) -> Thumbnail:
        """The frame that was seen last."""
        return self._looks[-1]

    def see(self, look: Thumbnail) -> None:
        """The next frame. One of other proportions than those before has nothing to do with them."""
        if self._looks and self.search.shape(self.newest) != self.search.shape(look):
            self._looks, self._steps, self._ways = [], {}, []
        self._looks.append(look)
        while len(self._looks) > _DEPTH or look.time_s - self._looks[0].time_s > _DEPTH_S:
            gone = self._looks.pop(0).index
            self._steps = {pair: flow for pair, flow in self._steps.items() if gone not in pair}

    def find(self, index: int) -> Thumbnail | None:
        """The frame of that index; None where it is too old or was never seen."""
        known = [*self._looks, *(way.then for way in self._ways)]
        return next((look for look in known if look.index == index), None)

    def before(self, now: Thumbnail) -> Thumbnail | None:
        """The frame that was seen before that one; None where it is forgotten."""
        at = self._looks.index(now) if now in self._looks else 0
        return self._looks[at - 1] if at else None

    def way(self, now: Thumbnail, then: Thumbnail) -> Flow | None:
        """From the pixels of `now` to where they were, or will be, in `then`; None where a cut lies between.

        Followed frame by frame, and kept: the next frame's way begins with one step to this one. So the way to a
        frame that is looked back at all the time may be longer than the history.
        """
        kept = (way for way in self._ways if way.then is then and _in_order(then, way.at, now))
        shape = self.search.shape(now)
        _, at, flow = next(kept, _Way(then, then, np.zeros((*shape, 2), np.float32)))
        flow, begun = _fitted(flow, shape), at
        for look in self._looks if now.index > then.index else reversed(self._looks):
            if look is not at and _in_order(at, look, now):
                step = _fitted(self.step(look, at), shape)
                at, flow = look, None if step is None or flow is None else compose(step, flow)
        if flow is not None and at is not begun and abs(at.index - then.index) > 1:
            flow = self.search.mended(at, then, flow)
        self._ways = [_Way(then, at, flow), *(way for way in self._ways if way.then is not then)][:2]
        return flow

    def step(self, now: Thumbnail, then: Thumbnail) -> Flow | None:
        """The same between frames of which none lies between."""
        pair = now.index, then.index
        if pair not in self._steps:
            back = self._steps.get((then.index, now.index))
            like = _fitted(self._last(*pair), self.search.shape(now))
            self._steps[pair] = self.search(now, then, like) if back is None else inverse(back)
        return self._steps[pair]

    def _last(self, now: int, then: int) -> Flow | None:
        """The step that was found last, of those in the same direction."""
        known = (flow for pair, flow in reversed(self._steps.items()) if (pair[1] < pair[0]) == (then < now))
        return next(known, None)


def _fitted(flow: Flow | None, shape: tuple[int, int]) -> Flow | None:
    return flow if flow is None or flow.shape[:2] == shape else resized(flow, shape)


def _in_order(first: Thumbnail, second: Thumbnail, third: Thumbnail) -> bool:
    return first.index <= second.index <= third.index or first.index >= second.index >= third.index
