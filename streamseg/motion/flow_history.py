"""The frames of the last two seconds, or the last two, and the motion between them, found when first asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

from streamseg.motion.flow import Flow, Thumbnail

_DEPTH_S = 2.0
_DEPTH = 120
_LATE = 3.0  # times as far apart as the two frames before: further, and it is an interruption


class Look(Protocol):
    """What is kept of a frame."""

    @property
    def index(self) -> int:
        """The frame's."""

    @property
    def time_s(self) -> float:
        """The frame's."""


L = TypeVar("L", bound=Look)
S = TypeVar("S", bound=Look, contravariant=True)
F = TypeVar("F")


class Motion(Protocol[S, F]):
    """How motion is found between what is kept of frames, and followed, as flows: `Search` on the CPU."""

    def shape(self, look: S) -> tuple[int, int]:
        """Height and width of the flow; the same for frames of the same proportions, whatever their size."""

    def __call__(self, now: S, then: S, like: F | None = None) -> F | None:
        """From pixels of `now` to where they are in `then`; begins with a flow `like` this one. None: there is none."""

    def mended(self, now: S, then: S, way: F) -> F:
        """`way`, which was followed step by step, searched once more all at once where steps lost what moves."""

    def still(self, shape: tuple[int, int]) -> F:
        """A flow of that height and width, of what does not move."""

    def followed(self, first: F, second: F) -> F:
        """The flow that follows `first`, then from there `second`."""

    def turned(self, flow: F) -> F:
        """The flow back."""

    def fitted(self, flow: F, shape: tuple[int, int]) -> F:
        """The same motion between pictures of that height and width."""


@dataclass(frozen=True, slots=True)
class _Way(Generic[L, F]):
    """How far the way to a frame has been followed."""

    then: L
    at: L
    flow: F | None


class History(Generic[L, F]):
    """What is known of the newest frames of a stream, and the way from one to another.

    `search` may become another one at any time: what was found before is resized to the pictures of the new one.
    """

    def __init__(self, search: Motion[L, F]) -> None:
        self.search = search
        self.begun = -1
        """Index of the first frame of these proportions, where there were others before."""
        self._usual_s = math.inf
        """How long the newest frame had come after the one before; nobody knows yet."""
        self._looks: list[L] = []
        self._steps: dict[tuple[int, int], F | None] = {}
        self._ways: list[_Way[L, F]] = []

    @property
    def newest(self) -> L:
        """The frame that was seen last."""
        return self._looks[-1]

    def see(self, look: L) -> None:
        """The next frame. One of other proportions than those before has nothing to do with them."""
        if self._looks and self.search.shape(self.newest) != self.search.shape(look):
            self._looks, self._steps, self._ways, self.begun = [], {}, [], look.index
        apart_s = look.time_s - self.newest.time_s if self._looks else 0.0
        depth_s = apart_s if _DEPTH_S < apart_s <= _LATE * self._usual_s else _DEPTH_S
        self._usual_s = apart_s if self._looks else math.inf
        self._looks.append(look)
        while len(self._looks) > _DEPTH or look.time_s - self._looks[0].time_s > depth_s:
            gone = self._looks.pop(0).index
            self._steps = {pair: flow for pair, flow in self._steps.items() if gone not in pair}

    def find(self, index: int) -> L | None:
        """The frame of that index; None where it is too old or was never seen."""
        known = [*self._looks, *(way.then for way in self._ways)]
        return next((look for look in known if look.index == index), None)

    def before(self, now: L) -> L | None:
        """The frame that was seen before that one; None where it is forgotten."""
        at = self._looks.index(now) if now in self._looks else 0
        return self._looks[at - 1] if at else None

    def way(self, now: L, then: L) -> F | None:
        """From the pixels of `now` to where they were, or will be, in `then`; None where a cut lies between.

        Followed frame by frame, and kept: the next frame's way begins with one step to this one. So the way to a
        frame that is looked back at all the time may be longer than the history.
        """
        kept = (way for way in self._ways if way.then is then and _in_order(then, way.at, now))
        shape = self.search.shape(now)
        begun = next(kept, None)
        at, flow = (begun.at, self._fitted(begun.flow, shape)) if begun else (then, self.search.still(shape))
        first = at
        for look in self._looks if now.index > then.index else reversed(self._looks):
            if look is not at and _in_order(at, look, now):
                step = self._fitted(self.step(look, at), shape)
                at, flow = look, None if step is None or flow is None else self.search.followed(step, flow)
        if flow is not None and at is not first and abs(at.index - then.index) > 1:
            flow = self.search.mended(at, then, flow)
        self._ways = [_Way(then, at, flow), *(way for way in self._ways if way.then is not then)][:2]
        return flow

    def step(self, now: L, then: L) -> F | None:
        """The same between frames of which none lies between."""
        pair = now.index, then.index
        if pair not in self._steps:
            back = self._steps.get((then.index, now.index))
            like = self._fitted(self._last(*pair), self.search.shape(now))
            self._steps[pair] = self.search(now, then, like) if back is None else self.search.turned(back)
        return self._steps[pair]

    def _last(self, now: int, then: int) -> F | None:
        """The step that was found last, of those in the same direction."""
        known = (flow for pair, flow in reversed(self._steps.items()) if (pair[1] < pair[0]) == (then < now))
        return next(known, None)

    def _fitted(self, flow: F | None, shape: tuple[int, int]) -> F | None:
        return None if flow is None else self.search.fitted(flow, shape)


FlowHistory: TypeAlias = History[Thumbnail, Flow]


def _in_order(first: Look, second: Look, third: Look) -> bool:
    return first.index <= second.index <= third.index or first.index >= second.index >= third.index
