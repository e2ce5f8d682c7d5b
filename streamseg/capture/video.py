"""Video files: every frame, in order, at its own time."""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.capture.decode import (
    FORMATS,
    GOES_ON,
    decode_packets,
    frame_rate,
    has_grey_values,
    open_error,
    pixel_limit,
    to_pixels,
    video_stream,
)
from streamseg.capture.filters import UNTOLD, length_s
from streamseg.capture.hardware import Watch, accelerator, threads_by_frames
from streamseg.capture.kind import SourceKind, scheme_of
from streamseg.capture.reconnect import opened_apart
from streamseg.capture.seek import Seek
from streamseg.capture.timestamps import Timeline
from streamseg.capture.turn import Turn
from streamseg.contracts import Inputs
from streamseg.frame import Frame, StreamInfo
from streamseg.imagefile import check_size, promised_size
from streamseg.imagefile.depth import SPAN_SAID, Span, span_of
from streamseg.machine import available_cores
from streamseg.options import SourceOptions
from streamseg.pyav import open_input

if TYPE_CHECKING:
    from av.container import InputContainer

_log = logging.getLogger(__name__)
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d\.?\d*)")
_LOOKED_AT = 300  # frames
_TOLERANCE_S = 0.5  # streams of one file seldom end together, and stamps may be a little out of order
_TOLD_TOGETHER = ("asf", "wtv")  # how long the whole file is stands there in each of its streams


class VideoSource:
    """A video file; damaged parts are passed over, a missing end is the end."""

    def __init__(self, uri: str, options: SourceOptions) -> None:
        import av

        self._uri = uri
        self.counters = {"decode_errors": 0}
        self._limits = {
            "protocol_whitelist": "file",
            "format_whitelist": FORMATS,
            **GOES_ON,
            **pixel_limit(options.max_megapixels),
        }
        self._accelerator = accelerator(options.decode, Path(uri).name, options.gpu)
        try:
            self._container = self._open()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise open_error(error, uri) from None
        try:
            self._stream = video_stream(self._container, uri, options.max_megapixels)
            if not self._stream.width:  # FFmpeg says nothing of the size of what it may not decode
                check_size(*promised_size(Path(uri)), uri, options.max_megapixels)
        except BaseException:
            self._container.close()
            raise
        self._start = None if self._container.format.name in UNTOLD else options.start
        self._stream.thread_type = "AUTO"
        # The other half of the cores has a network to run, and each thread of the decoder costs some of the others'
        # time: on two cores one thread shows 7 % more frames a second than two.
        self._stream.thread_count = threads_by_frames(self._stream, max(1, available_cores() // 2))
        self._closed = False
        self._turn = Turn()
        self.info = self._describe()
        self._step_s = 1 / (self.info.fps or 25.0)
        self._span = self._measure()
        self._watch = Watch(options.decode, self._stream, self.info.name, options.gpu)
        if options.fps or options.size:
            _log.warning("%s: a file keeps its own rate and size (--every N takes every n-th frame)", self.info.name)

    def __iter__(self) -> Iterator[Frame]:
        import av

        if not self._turn.take():
            return
        lead, before_s, lasts_s = Seek(self._start, Timeline(self.info.name, self._step_s)), None, self._step_s
        try:
            for decoded in decode_packets(self._container, self._stream, self.counters, self._watch, lead.pass_over):
                if self._closed:
                    return
                index, time_s = lead.number(decoded.time, decoded.lasts_s)
                before_s = self._before_s(decoded.time, time_s) if before_s is None else before_s
                lasts_s = max(self._step_s, length_s(decoded.frame))
                pixels = to_pixels(decoded.frame, self._span, self._watch.small)
                arrived_s = time.monotonic()
                yield Frame(pixels, index, time_s, arrived_s, self.info.name, pixel_aspect=decoded.pixel_aspect)
            self._report(lead.last[0], lead.last[1] + lasts_s, before_s or 0.0)
        except av.error.FFmpegError as error:
            raise open_error(error, self._uri) from None
        finally:
            self._release()

    def close(self) -> None:
        """Ends the iteration before its next frame; the iterating thread closes the file, if there is one."""
        self._closed = True
        if self._turn.take():
            self._release()

    def _release(self) -> None:
        self._container.close()
        self._watch.small = None  # frames that are still under way keep it

    def _open(self) -> InputContainer:
        return open_input(f"file:{self._uri}", self._limits, hwaccel=self._accelerator)

    def _measure(self) -> Span | None:
        """What is black and what is white in a video of measured values, by a look at its beginning."""
        pixels = self._stream.codec_context.format  # not its pix_fmt: PyAV 17 crashes on that of no known format
        if pixels is None or not has_grey_values(pixels.name):
            return None
        import av

        with self._open() as container, contextlib.suppress(av.error.FFmpegError):
            frames = itertools.islice(container.decode(container.streams[self._stream.index]), _LOOKED_AT)
            span = span_of(frame.to_ndarray() for frame in frames if isinstance(frame, av.VideoFrame))
            if span is not None:
                _log.warning(SPAN_SAID, self.info.name, *span)
            return span
        return None

    def _describe(self) -> StreamInfo:
        stream = self._stream
        name = Path(self._uri).name
        fps = frame_rate(self._container, stream, name)
        frames = stream.frames or round(self._promised_s() * float(fps or stream.average_rate or 0)) or None
        return StreamInfo(name, stream.width, stream.height, fps, live=False, frames=frames)

    def _promised_s(self) -> float:
        """How long the video is said to be; 0 where that is said of the file alone, whose sound may be longer."""
        stream, alone = self._stream, len(self._container.streams) == 1
        if stream.duration and stream.time_base and (alone or self._container.format.name not in _TOLD_TOGETHER):
            return float(stream.duration * stream.time_base)
        said = _CLOCK.fullmatch(stream.metadata.get("DURATION", ""))  # Matroska
        if said:
            hours, minutes, seconds = said.groups()
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        return (self._container.duration or 0) / 1e6 if alone else 0.0

    def _before_s(self, stamp_s: float | None, time_s: float) -> float:
        """How much of the video lies before the frames that count, as a recording that begins in the middle has it."""
        stream = self._stream
        if stamp_s is None or stream.start_time is None or not stream.time_base:
            return 0.0
        return max(0.0, stamp_s - time_s - float(stream.start_time * stream.time_base))

    def _report(self, last: int, end_s: float, before_s: float) -> None:
        """One line on what was missing at the end or in between, if anything was."""
        stream, told = self._stream, []
        if self.counters["decode_errors"]:
            told.append(f"{self.counters['decode_errors']} damaged packets passed over")
        promised_s = max(0.0, self._promised_s() - before_s)
        all_there = stream.frames and last + 1 >= stream.frames
        if end_s + _TOLERANCE_S < promised_s and not all_there:
            told.append(f"truncated: {end_s:.1f} of {promised_s:.1f} s are there")
        if told and last >= 0:  # of none at all the run says so itself
            _log.warning("%s: %s", self.info.name, ", ".join(told))


VIDEO = SourceKind(
    forms="FILE …",
    means=lambda uri: isinstance(uri, str) and not scheme_of(uri),  # whatever it is called: the last one asked
    open=lambda uri, options: opened_apart(lambda: VideoSource(str(uri), options)),
    inputs=lambda uri: Inputs(Path(str(uri)).stem, (Path(str(uri)),)),
    in_turn=True,
)
