"""Small parts that do exactly what a test tells them to."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from streamseg.contracts import Shown
from streamseg.frame import Frame, StreamInfo
from streamseg.options import Effort
from streamseg.segmentation import Classes, Segmentation

CLASSES = Classes(("background", "thing"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), background=0)
FILE, LIVE = (StreamInfo("fake", 64, 48, 25.0, live) for live in (False, True))


def frame(index: int = 0, height: int = 48, width: int = 64, value: int | None = None) -> Frame:
    image = np.full((height, width, 3), index % 256 if value is None else value, np.uint8)
    return Frame(image, index, index / 25, time.monotonic(), "fake")


def segmentation(of: Frame, value: int = 1) -> Segmentation:
    return Segmentation(np.full((6, 8), value, np.uint8), CLASSES, of.index, of.time_s)


class CountingSource:
    """Delivers `count` frames; live ones `interval_s` apart, or for ever with count None.

    A test that wants another thread to be slower than this source lets it wait `until_ahead`, and does not sleep: on a
    busy machine nobody knows who would be slower then.
    """

    counters: Mapping[str, int] = {}

    def __init__(
        self, count: int | None = 10, *, live: bool = False, interval_s: float = 0.0, error: Exception | None = None
    ) -> None:
        self.info = StreamInfo("fake", 64, 48, 25.0, live, None if live else count)
        self.closed = threading.Event()
        self._count, self._interval_s, self._error = count, interval_s, error
        self._given, self._news = 0, threading.Condition()

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while (self._count is None or index < self._count) and not self.closed.wait(self._interval_s):
            yield frame(index)  # asked for the next, it knows that this one is on its way
            index += 1
            self._gave(1)
        self._gave(1_000_000)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed.set()
        self._gave(1_000_000)

    @property
    def given(self) -> int:
        """How many frames have come, unless it is at its end."""
        return self._given

    def until_ahead(self, of: Frame, frames: int) -> None:
        """Waits until so many frames have come after `of`, or there are none to come."""
        with self._news:
            self._news.wait_for(lambda: self._given > of.index + frames)

    def _gave(self, frames: int) -> None:
        with self._news:
            self._given += frames
            self._news.notify_all()


class Marker:
    """Labels every frame with its index, after `work` was called on it."""

    classes, scale = CLASSES, 1.0

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


class Shifter:
    """Carries by name alone: labels stay, and the confidence says onto which frame."""

    effort: Effort | None = None

    def __init__(self) -> None:
        self.seen: list[int] = []

    def observe(self, frame: Frame) -> None:
        assert not self.seen or frame.index > self.seen[-1]
        self.seen.append(frame.index)

    def carry(self, segmentation: Segmentation) -> Segmentation:
        return self._onto(self.seen[-1], segmentation)

    def between(
        self, frames: Sequence[Frame], before: Segmentation | None, after: Segmentation | None
    ) -> Iterator[Segmentation]:
        assert before is None or not frames or before.frame_index < frames[0].index
        assert after is None or after.frame_index == frames[-1].index
        for one in frames:
            assert one.index in self.seen
            source = after if after is not None and one.index == after.frame_index else before or after
            assert source is not None
            yield self._onto(one.index, source)

    @staticmethod
    def _onto(index: int, segmentation: Segmentation) -> Segmentation:
        return dataclasses.replace(segmentation, confidence=np.full_like(segmentation.labels, index % 256))


class ListSink:
    """Keeps what it is given."""

    needs_image = True
    unwritten = 0

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
