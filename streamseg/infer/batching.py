"""One network for many streams: the first thread that finds it idle runs it, for those that wait as well.

No thread of its own: each stream calls from the thread that it has anyway. The first to find the network idle leads: it
takes the oldest requests and runs them while the others wait, so a stream waits at most for one run of each other.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.errors import BackendError, InputError
from streamseg.frame import Frame
from streamseg.infer.backends.forked import renew_in_forks
from streamseg.segmentation import Classes, Segmentation

_TRIES = 3  # runs of a size before it is judged; the least of them counts, since noise only ever adds
_TRY_AGAIN = 64  # runs
_GAIN = 0.95  # a group must take less than this share of the time of single frames
_HOLD = 0.1  # of a run: how long one waits for the rest of a group that gains


def share_networks(load: Callable[..., SegmenterFactory]) -> Callable[..., SegmenterFactory]:
    """`load`, a function like `load_segmenter`, with one network for all who ask for the same model, backend and GPU.

    Classical methods are left alone: they cost nothing to make, and some remember their stream. A network is made when
    its first stream begins and closed with its last.
    """
    shared: WeakValueDictionary[tuple[str, str | None, int | None], DynamicBatcher] = WeakValueDictionary()
    lock = threading.Lock()

    def find(
        model: str,
        settings: Mapping[str, object] | None = None,
        *,
        backend: str | None = None,
        gpu: int | None = None,
        **more: object,
    ) -> SegmenterFactory:
        recipe = load(model, settings, backend=backend, gpu=gpu, **more)
        if recipe.most is None:
            return recipe
        with lock:
            network = shared.get((model, backend, gpu)) or DynamicBatcher(recipe)
            shared[model, backend, gpu] = network
        return replace(recipe, make=network.join, shared=True, tuned={})

    return find


@dataclass(slots=True, eq=False)
class _Request:
    frames: Sequence[Frame]
    scale: float
    found: list[Segmentation] = field(default_factory=list)
    error: Exception | None = None
    done: bool = False


class DynamicBatcher:
    """The network of `recipe`, called by many threads and run by one at a time."""

    def __init__(self, recipe: SegmenterFactory) -> None:
        tuned = recipe.tuned.get("live")
        self._make, self._most = tuned.make if tuned else recipe.make, recipe.most or 1
        self.begin_again()
        self._streams = 0
        self._network: Segmenter | None = None
        self._ailing = False
        self._groups = BatchSizePolicy()
        renew_in_forks(self)

    def begin_again(self) -> None:
        """Nobody runs it, nobody waits: in a fork, threads of the parent never come back from a run."""
        self._turn = threading.Condition()
        self._waiting: list[_Request] = []
        self._running = False

    def join(self, threads: int) -> Segmenter:
        """A segmenter for one more stream; the first makes the network, with `threads` threads for a run.

        So does a stream that comes back after the machine failed and nothing has succeeded since: a driver
        may have lost it.
        """
        with self._turn:
            if self._ailing:
                self._turn.wait_for(lambda: not self._running)
            if self._network is None or self._ailing:
                self._close()
                self._network = self._make(threads)
            self._streams += 1
            return _Member(self, self._network.classes)

    def leave(self) -> None:
        """One stream fewer; the last closes the network, or leaves that to who still runs it."""
        with self._turn:
            self._streams -= 1
            if not self._streams and not self._running:
                self._close()

    def run(self, frames: Sequence[Frame], scale: float) -> list[Segmentation]:
        """Waits for its turn; raises what the network raises on these frames, and on no others."""
        mine = _Request(frames, scale)
        with self._turn:
            self._waiting.append(mine)
            self._turn.notify_all()
        try:
            while not self._done(mine):
                self._lead()
        finally:
            with self._turn:
                if mine in self._waiting:  # interrupted
                    self._waiting.remove(mine)
        if mine.error is not None:
            raise mine.error
        return mine.found

    def _close(self) -> None:
        network, self._network, self._ailing = self._network, None, False
        if network is not None:
            network.close()

    def _done(self, mine: _Request) -> bool:
        """Waits until it is, or until nobody runs the network: then this thread is to."""
        with self._turn:
            self._turn.wait_for(lambda: mine.done or not self._running)
            self._running = self._running or not mine.done
            return mine.done

    def _take(self) -> list[_Request]:
        """The oldest request, and those behind it that gain by running with it."""
        if (most := self._groups.most(min(self._most, self._streams))) > 1:
            self._turn.wait_for(lambda: len(self._waiting) >= most, self._groups.hold_s())
            most = self._groups.most(min(self._most, len(self._waiting)))
        count = len(self._waiting[0].frames)
        taken = [self._waiting.pop(0)]
        while self._waiting and (count := count + len(self._waiting[0].frames)) <= most:
            taken.append(self._waiting.pop(0))
        return taken

    def _lead(self) -> None:
        taken: list[_Request] = []
        try:
            with self._turn:
                taken = self._take()
            started_s = time.monotonic()
            self._answer(taken)
            self._groups.note(sum(len(request.frames) for request in taken), time.monotonic() - started_s)
        finally:
            with self._turn:
                self._running = False
                # What interrupts this thread, such as Ctrl-C, is nothing to the others: they run the rest.
                self._waiting[:0] = [request for request in taken if not request.done]
                self._turn.notify_all()
                if not self._streams:
                    self._close()

    def _answer(self, taken: list[_Request]) -> None:
        """Runs those of one scale together, neighbours of one size next to each other, so that they share a run."""
        ordered = sorted(
            taken, key=lambda request: (request.scale, [(frame.height, frame.width) for frame in request.frames])
        )
        for _, alike in itertools.groupby(ordered, key=lambda request: request.scale):
            self._run(list(alike))

    def _run(self, alike: list[_Request]) -> None:
        """Where they fail together each is run by itself, so that only those fail that must."""
        try:
            if self._network is None:
                raise BackendError("the shared network could not be opened again")
            self._network.scale = alike[0].scale
            found = iter(self._network([frame for request in alike for frame in request.frames]))
            for request in alike:
                request.found = [next(found) for _ in request.frames]
            self._ailing = False
            for request in alike:
                request.done = True
        except Exception as error:
            if len(alike) == 1:
                alike[0].error, self._ailing = error, isinstance(error, BackendError)
                alike[0].done = True
                return
            for request in alike:
                self._run([request])


class _Member:
    """One stream's share of a network."""

    def __init__(self, network: DynamicBatcher, classes: Classes) -> None:
        self.classes = classes
        self.scale = 1.0
        self._network: DynamicBatcher | None = network

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        network = self._network
        if network is None:
            raise InputError("the model is closed", "load it again")
        return network.run(frames, self.scale)

    def close(self) -> None:
        network, self._network = self._network, None
        if network is not None:
            network.leave()


class BatchSizePolicy:
    """Which numbers of frames gain by running together, learnt from the runs themselves.

    Where a run costs as much for each frame as for the first, a group only delays the oldest frame.
    """

    def __init__(self) -> None:
        self._tried: Counter[int] = Counter()
        self._best_s: dict[int, float] = {}

    def note(self, count: int, seconds: float) -> None:
        """A run of `count` frames took `seconds`."""
        self._tried[count] += 1
        self._best_s[count] = min(seconds, self._best_s.get(count, seconds))

    def most(self, limit: int) -> int:
        """The largest number of frames, up to `limit`, that gains or has still to be tried.

        Now and then both ends are tried again, since a busy moment can make either look bad.
        """
        turn = self._tried.total() % _TRY_AGAIN
        if turn in (0, _TRY_AGAIN // 2):
            return limit if turn else 1
        return next((count for count in range(limit, 1, -1) if self._gains(count)), 1)

    def hold_s(self) -> float:
        """How long waiting for a fuller group pays at most."""
        return _HOLD * self._best_s.get(1, 0.0)

    def _gains(self, count: int) -> bool:
        if self._tried[1] < _TRIES:
            return False
        return self._tried[count] < _TRIES or self._best_s[count] < _GAIN * count * self._best_s[1]
