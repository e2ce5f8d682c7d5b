"""Video files: every frame, in order, at its own time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from streamseg.buffers import Pool
from streamseg.capture.clock import Clock
from streamseg.capture.decode import FORMATS, decode_packets, open_error, pixel_limit, to_pixels, video_stream
from streamseg.contracts import SourceOptions
from streamseg.frame import Frame, StreamInfo
from streamseg.machine import available_cores

_log = logging.getLogger(__name__)
_TOLERANCE_S = 0.5  # streams of one file seldom end together, and stamps may be a little out of order


class VideoSource:
    """A video file; damaged parts are passed over, a missing end is the end."""

    def __init__(self, uri: str, options: SourceOptions) -> None:
        import av

        self._uri = uri
        self.counters = {"decode_errors": 0}
        try:
            limits = {"protocol_whitelist": "file", "format_whitelist": FORMATS, **pixel_limit(options.max_megapixels)}
            self._container = av.open(f"file:{uri}", options=limits, metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise open_error(error, uri) from None
        try:
            self._stream = video_stream(self._container, uri, options.max_megapixels)
        except BaseException:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        # The other half of the cores has a network to run, and each thread of the decoder costs some of the others'
        # time: on two cores one thread shows 7 % more frames a second than two.
        self._stream.thread_count = max(1, available_cores() // 2)
        self._closed = False
        self.info = self._describe()
        self._step_s = 1 / (self.info.fps or 25.0)

    def __iter__(self) -> Iterator[Frame]:
        import av

        if self._closed:
            return
        pool, clock = Pool(), Clock(self.info.name, self._step_s)
        index, time_s = 0, 0.0
        try:
            for decoded in decode_packets(self._container, self._stream, self.counters):
                if self._closed:
                    return
                time_s = clock.read(decoded.time)
                yield Frame(to_pixels(decoded, pool), index, time_s, time.monotonic(), self.info.name)
                index += 1
            self._report(index, time_s)
        except av.error.FFmpegError as error:
            raise open_error(error, self._uri) from None
        finally:
            self._closed = True
            self._container.close()

    def close(self) -> None:
        """Ends the iteration before its next frame; whoever iterates closes the file."""
        self._closed = True

    def _describe(self) -> StreamInfo:
        stream = self._stream
        average, guessed = stream.average_rate, stream.guessed_rate
        constant = average is not None and guessed is not None and abs(float(average / guessed) - 1) < 0.02
        seconds = (self._container.duration or 0) / 1e6
        frames = stream.frames or round(seconds * float(average or 0)) or None
        fps = float(average) if average is not None and constant else None
        return StreamInfo(Path(self._uri).name, stream.width, stream.height, fps, live=False, frames=frames)

    def _report(self, decoded: int, last_s: float) -> None:
        """One line on what was missing, if anything was."""
        stream, told = self._stream, []
        if self.counters["decode_errors"]:
            told.append(f"{self.counters['decode_errors']} damaged packets passed over")
        own_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
        promised_s = own_s or (self._container.duration or 0) / 1e6
        all_there = stream.frames and decoded >= stream.frames
        if last_s + self._step_s + _TOLERANCE_S < promised_s and not all_there:
            told.append(f"truncated: {last_s + self._step_s:.1f} of {promised_s:.1f} s are there")
        if told:
            _log.warning("%s: %s", self.info.name, ", ".join(told))
