"""A part of a source: from one moment on, up to another, and of that every n-th frame."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping

from streamseg.contracts import Source
from streamseg.errors import InputError
from streamseg.frame import Frame, StreamInfo
from streamseg.moment import Moment
from streamseg.options import SourceOptions

_log = logging.getLogger(__name__)


class Trim:
    """The frames of `source` from `start` up to, but without, `end`; of those the first and every n-th after it.

    They keep the indices and times that they have in the whole; those of a live source count from its first frame.

    Raises (while iterating):
        InputError: the source ends before `start`, or no frame lies between `start` and `end`.
    """

    def __init__(self, source: Source, options: SourceOptions) -> None:
        self._source, self._every = source, options.every
        self._start, self._end = options.start, options.end
        self._closed = False
        self.info = self._describe(source.info)

    @property
    def counters(self) -> Mapping[str, int]:
        """Those of the whole source."""
        return self._source.counters

    def __iter__(self) -> Iterator[Frame]:
        first: int | None = None
        index, time_s = -1, 0.0
        for frame in self._source:
            index, time_s = frame.index, frame.time_s
            if self._end and self._end.reached(index, time_s):
                if first is None:
                    raise InputError(f"{self.info.name}: no frame lies between {self._start or 0} and {self._end}")
                return
            if self._start and not self._start.reached(index, time_s):
                continue
            first = index if first is None else first
            if (index - first) % self._every == 0:
                yield frame
        self._report(first, f"{self.info.name} ends at {time_s:.2f} s, with frame {index}")

    def close(self) -> None:
        """Ends the iteration."""
        self._closed = True
        self._source.close()

    def _report(self, first: int | None, ends: str) -> None:
        """The source has ended, if nobody closed it."""
        if self._closed:
            return
        if first is None and self._start:
            raise InputError(f"{ends}: nothing is there from {self._start} on")
        if self._end:
            _log.info("%s, before the end that was asked for, %s", ends, self._end)

    def _describe(self, info: StreamInfo) -> StreamInfo:
        fps = info.fps and info.fps / self._every
        if info.frames is None:
            return dataclasses.replace(info, fps=fps, every=self._every)
        start = _index(self._start, info.fps) or 0
        end = _index(self._end, info.fps)
        frames = max(0, (info.frames if end is None else min(end, info.frames)) - start)
        return dataclasses.replace(info, fps=fps, every=self._every, frames=-(-frames // self._every))


def _index(at: Moment | None, fps: float | None) -> int | None:
    """About which frame that is."""
    if at is not None and at.seconds is not None:
        return round(at.seconds * fps) if fps else None
    return at.frames if at else None
