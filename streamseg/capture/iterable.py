"""Frames that a program makes or gets itself: out of anything that can be iterated over, or pushed in one by one."""

from __future__ import annotations

import contextlib
import math
import numbers
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from streamseg.capture.timestamps import Timeline
from streamseg.errors import InputError
from streamseg.frame import Frame, ImageLike, StreamInfo, checked_image
from streamseg.handoff import Handoff

Item: TypeAlias = ImageLike | tuple[float, ImageLike]
"""(H, W, 3) u8 BGR, alone or behind its time in seconds; it is not copied, so it is not to be written into later."""

_FPS = 25.0
_NEWEST = 4  # frames that wait for the capture thread, which takes them at once


class IterableSource:
    """The images of `items` as a source; see `streamseg.frames`."""

    def __init__(self, items: Iterable[Item], info: StreamInfo) -> None:
        self.info = info
        self.counters: Mapping[str, int] = {}
        self._items = items
        self._closed = self._begun = False

    def __iter__(self) -> Iterator[Frame]:
        if self._begun:
            raise InputError(f"{self.info.name}: a source is read once", "make another with streamseg.frames(…)")
        self._begun = True
        clock, step_s = _clock(self.info), 1 / (self.info.fps or _FPS)
        started_s, timed = time.monotonic(), False
        try:
            for index, item in enumerate(self._items):
                if self._closed:
                    return
                now_s = time.monotonic()
                given_s, image = _timed(item)
                timed = timed or given_s is not None
                own_s = now_s - started_s if self.info.live else index * step_s
                time_s = clock.read(given_s if timed else own_s)
                yield Frame(checked_image(image), index, time_s, now_s, self.info.name)
        finally:
            self._close_items()

    def close(self) -> None:
        """Ends the iteration with the next item, and closes a generator; from any thread."""
        self._closed = True
        self._close_items()

    def _close_items(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            with contextlib.suppress(ValueError):  # it is running in another thread, which closes it when it comes back
                close()


def frames(
    items: Iterable[Item], *, fps: float | None = None, live: bool = False, name: str = "frames"
) -> IterableSource:
    """A source of your own images.

    Args:
        items: images, (H, W, 3) u8 BGR, or pairs of a time in seconds and an image; taken one by one in a thread of
            the stream. They are not copied: do not write into an image that was handed over.
        fps: nominal frames a second; without times of their own, images of a source that is not live are so far apart.
        live: True where the world does not wait: the newest frame wins, and slow masks cost frames. False: every frame
            is shown, and `items` waits.
        name: for people.

    Raises:
        InputError: `items` cannot be iterated over, or `fps` is not above 0.
    """
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise InputError(f"{type(items).__name__} gives no frames", "a list, generator or iterator of images")
    return IterableSource(items, _info(name, fps, live))


class PushSource:
    """A source that frames are pushed into: from a callback of ROS, a socket, or a camera's own library.

    Live by default: `put` never waits, the newest frame wins. Otherwise `put` waits while the stream is busy.
    """

    def __init__(self, *, fps: float | None = None, live: bool = True, name: str = "pushed") -> None:
        self.info = _info(name, fps, live)
        self.counters: Mapping[str, int] = {}
        self._frames = Handoff[Frame](_NEWEST, lossless=not live)
        self._index, self._clock = 0, _clock(self.info)

    def put(self, image: ImageLike, time_s: float | None = None) -> bool:
        """Hands over (H, W, 3) u8 BGR, uncopied; one thread at a time. False once the stream has ended.

        Args:
            image: do not write into it afterwards.
            time_s: when it was taken, in seconds on any clock; by default now. Times continue after a step back.

        Raises:
            InputError: that is no such image, or no such time.
        """
        now_s = time.monotonic()
        at_s = now_s if time_s is None else _seconds(time_s)
        frame = Frame(checked_image(image), self._index, self._clock.read(at_s), now_s, self.info.name)
        self._index += 1
        return self._frames.put(frame)

    def end(self) -> None:
        """No more frames: what was put is shown, then the stream ends."""
        self._frames.close()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames.get, None)

    def close(self) -> None:
        """Ends the stream now; may be called twice, and from any thread."""
        self._frames.drain()


def _clock(info: StreamInfo) -> Timeline:
    """Times that continue from the last frame where given ones step back, as those of a recording that begins again."""
    return Timeline(info.name, 1 / (info.fps or _FPS))


def _timed(item: object) -> tuple[float | None, Any]:
    """Its time, where it has one, and the image."""
    if not isinstance(item, tuple):
        return None, item
    if len(item) != 2:
        raise InputError(f"a frame is an image, or a time in seconds and an image, not {len(item)} things")
    time_s, image = item
    return None if time_s is None else _seconds(time_s), image


def _seconds(given: object) -> float:
    if isinstance(given, bool):
        raise InputError("True and False are no times", "VideoCapture.read gives (found, image): hand over the image")
    if not isinstance(given, numbers.Real) or not math.isfinite(given):
        hint = "of a datetime: when.timestamp()" if hasattr(given, "timestamp") else ""
        raise InputError(
            f"a time is a number of seconds, not {given if isinstance(given, float) else type(given).__name__}", hint
        )
    return float(given)


def _info(name: str, fps: float | None, live: bool) -> StreamInfo:
    if fps is not None and not (isinstance(fps, int | float | numbers.Real) and 0 < fps < math.inf):
        raise InputError(f"fps is a number above 0, not {fps!r}")
    if not isinstance(name, str):
        raise InputError(f"name is text, not {type(name).__name__}")
    return StreamInfo(name, 0, 0, fps, live)  # sizes are known with the first frame, and each may have its own


def is_source(thing: Any) -> bool:
    """Whether it has what the pipeline needs of a source."""
    told = isinstance(getattr(thing, "info", None), StreamInfo)
    return told and all(hasattr(thing, name) for name in ("counters", "close", "__iter__"))


def named(source: Any) -> str | int | tuple[str, ...]:
    """A source that is named: a camera's number, one name, or those of several files.

    Raises:
        InputError: it is none of them.
    """
    if isinstance(source, str | bool):
        return source
    if isinstance(source, numbers.Integral):
        return int(source)
    if isinstance(source, os.PathLike):
        return str(os.fspath(source))
    if isinstance(source, Sequence) and all(isinstance(each, str | os.PathLike) for each in source):
        return tuple(os.fspath(each) for each in source)
    hint = "a name, a camera's number, `streamseg.frames(…)` of a list or generator of images, or a Source"
    if isinstance(source, bytes) or hasattr(source, "readline"):
        hint = "of a file: its name; what was uploaded and lies in memory is written into a file first"
    raise InputError(f"{type(source).__name__} is no source", hint)
