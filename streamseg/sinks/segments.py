"""A recording in pieces: a file a minute, say, named by the time at which it begins, the oldest deleted if asked."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from streamseg.contracts import Shown
from streamseg.errors import InputError, OutputError
from streamseg.moment import ROUNDING_S
from streamseg.sinks.crash_safe_file import FORMATS, free_name, recover_parts
from streamseg.sinks.kind import OutputKind, suffix_of
from streamseg.sinks.names import Names
from streamseg.sinks.query import byte_count, seconds, split_query, without_query
from streamseg.sinks.retention import OPTIONS as KEEPING
from streamseg.sinks.retention import Limits, has_room, limits, make_room
from streamseg.sinks.video import Recording, VideoSink, has_pattern

OPTIONS = ("segment", "segment_size", *KEEPING)
_SEGMENT_S = 60.0
_LOOK_EVERY_S = 1.0


class _Options(NamedTuple):
    """What the name of a recording says."""

    name: str
    longest_s: float | None
    largest: float | None
    """Bytes of a file."""
    limits: Limits


class SegmentsSink(VideoSink):
    """Writes `FOLDER/NAME-%Y%m%d-%H%M%S.mp4`: a new file after `segment` seconds or `segment_size` bytes of video.

    Each file begins with a key frame at time 0 and the frame after the last one of the file before. `keep`,
    `keep_size` and `free` delete the oldest files that match the name; where `free` cannot be had even so, nothing
    is written.
    """

    def __init__(self, uri: str, *, codec: str = "h264", fps: float | None = None) -> None:
        asked = _asked(uri)
        super().__init__(asked.name, codec=codec, fps=fps)
        self._own, self._limits = self._names.own(), asked.limits
        self._longest_s, self._largest = asked.longest_s, asked.largest
        self._looked_s = self._expected = 0.0
        self._keep_parts()

    def _full(self, file: Recording, time_s: float) -> bool:
        """Whether it is long or large enough; and, once a second, whether the disk is before it is full."""
        self._expected = max(self._expected, file.bytes)
        if abs(time_s - self._looked_s) >= _LOOK_EVERY_S:
            self._looked_s = time_s
            if not self._room_left(file):
                return True
        late = self._longest_s is not None and time_s - file.start_s >= self._longest_s - ROUNDING_S
        return late or (self._largest is not None and file.bytes >= self._largest)

    def _recording(self, first: Shown, *, replace: bool) -> Recording:
        self._keep_parts()
        if not self._make_room(self._expected):
            raise OutputError(f"{self._path}: less is free on the disk than free= asks for")
        while True:
            with contextlib.suppress(BlockingIOError):  # another run was quicker: the name is taken now
                return Recording(free_name(self._names.path()), first, self._encoding)

    def _room_left(self, file: Recording) -> bool:
        try:
            return has_room(self._path.parent, self._limits) or self._make_room(file.bytes)
        except OSError:
            return False  # finishing the file will tell why

    def _make_room(self, wanted_bytes: float) -> bool:
        return make_room(self._path.parent, self._own, self._limits, wanted_bytes=wanted_bytes)

    def _keep_parts(self) -> None:
        recover_parts(self._path.parent, self._own)


def _asked(uri: str) -> _Options:
    """Raises InputError where the name has no time, or an option is wrong."""
    name, asked = split_query(uri, OPTIONS)
    names = Names(name, numbers=False)
    if not names.timed or names.stemmed:
        raise InputError(f"{uri}: segments need a time in a name", "cam-%Y%m%d-%H%M%S.mp4")
    longest_s, largest = seconds(asked, "segment"), byte_count(asked, "segment_size")
    if longest_s is None and largest is None:
        longest_s = _SEGMENT_S
    return _Options(name, longest_s, largest, limits(asked))


SEGMENTS = OutputKind(
    forms="'NAME-%Y%m%d-%H%M%S.mp4?segment=60&keep=7d'",
    means=lambda uri: suffix_of(uri) in FORMATS and has_pattern(uri),
    open=lambda uri, info, controls, existing: SegmentsSink(uri, codec=controls.codec, fps=info.fps),
    check=_asked,
    names=lambda uri, inputs: Names(without_query(uri), numbers=False),
    patterns=True,
)
