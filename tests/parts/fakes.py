"""Small parts that do exactly what a test tells them to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from streamseg.contracts import Shown
from streamseg.frame import Frame, StreamInfo
from streamseg.segmentation import Classes, Segmentation

CLASSES = Classes(("background", "thing"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), background=0)


def frame(index: int = 0, height: int = 48, width: int = 64, value: int | None = None) -> Frame:
    image = np.full((height, width, 3), index % 256 if value is None else value, np.uint8)
    return Frame(image, index, index / 25, time.monotonic(), "fake")


def segmentation(of: Frame, value: int = 1) -> Segmentation:
    return Segmentation(np.full((6, 8), value, np.uint8), CLASSES, of.index, of.time_s)


class CountingSource:
    """Delivers `count` frames; live ones `interval_s` apart, or for ever with count None."""

    counters: Mapping[str, int] = {}

    def __init__(
        self, count: int | None = 10, *, live: bool = False, interval_s: float = 0.0, error: Exception | None = None
    ) -> None:
        self.info = StreamInfo("fake", 64, 48, 25.0, live, None if live else count)
        self.closed = threading.Event()
        self._count, self._interval_s, self._error = count, interval_s, error

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while (self._count is None or index < self._count) and not self.closed.wait(self._interval_s):
            yield frame(index)
            index += 1
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed.set()


class Marker:
    """Labels every frame with its index, after `work` was called on it."""

    classes = CLASSES

    def __init__(self, work: Callable[[Frame], object] = lambda _: None) -> None:
        self._work = work
        self.closed = False
        self.batches: list[int] = []

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        self.batches.append(len(frames))
        for one in frames:
            self._work(one)
        return [segmentation(one, one.index % 256) for one in frames]

    def close(self) -> None:
        self.closed = True


class ListSink:
    """Keeps what it is given."""

    needs_picture = True

    def __init__(self, *, blocking: bool = True, work: Callable[[Shown], object] = lambda _: None) -> None:
        self.blocking = blocking
        self.shown: list[Shown] = []
        self.closed = 0
        self._work = work

    def write(self, shown: Shown) -> None:
        self._work(shown)
        self.shown.append(shown)

    def close(self) -> None:
        self.closed += 1
