"""Video files: every frame, in order, at its own time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from streamseg.buffers import Pool
from streamseg.capture.decode import FORMATS, decode_packets, open_error, to_picture, video_stream
from streamseg.contracts import SourceOptions
from streamseg.frame import Frame, StreamInfo

_log = logging.getLogger(__name__)


class VideoSource:
    """A video file; damaged parts are passed over, a missing end is the end."""

    def __init__(self, uri: str, options: SourceOptions) -> None:
        import av

        self._path = Path(uri)
        self.counters = {"decode_errors": 0}
        try:
            if self._path.is_file() and self._path.stat().st_size == 0:
                raise av.error.InvalidDataError(0, "empty")
            self._container = av.open(
                f"file:{uri}", options={"protocol_whitelist": "file", "format_whitelist": FORMATS}
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise open_error(error, uri) from None
        try:
            self._stream = video_stream(self._container, uri, options.max_megapixels)
        except BaseException:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        self._closed = False
        self.info = self._describe()

    def __iter__(self) -> Iterator[Frame]:
        pool, clock = Pool(), Clock(1 / (self.info.fps or 25.0))
        index = 0
        try:
            for decoded in decode_packets(self._container, self._stream, self.counters):
                if self._closed:
                    break
                time_s = clock.read(decoded.time)
                yield Frame(to_picture(decoded, pool), index, time_s, time.monotonic(), self.info.name)
                index += 1
        finally:
            self._container.close()
        self._report(index)

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
        return StreamInfo(self._path.name, stream.width, stream.height, fps, live=False, frames=frames)

    def _report(self, decoded: int) -> None:
        errors, promised = self.counters["decode_errors"], self._stream.frames
        if errors:
            _log.warning("%s: %d damaged packets passed over", self.info.name, errors)
        if promised > decoded and not self._closed:
            _log.warning("%s: truncated: %d of %d frames are there", self.info.name, decoded, promised)


class Clock:
    """Time stamps of a stream as seconds since its first frame, never backwards.

    Frames without a stamp follow the one before at the nominal distance.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._first_s: float | None = None
        self._last_s = 0.0

    def read(self, stamp_s: float | None) -> float:
        """Seconds since the first frame for a frame that says `stamp_s`."""
        if stamp_s is None:
            stamp_s = self._last_s + self._step_s if self._first_s is not None else 0.0
            stamp_s += self._first_s or 0.0
        if self._first_s is None:
            self._first_s = stamp_s
        self._last_s = max(self._last_s, stamp_s - self._first_s)
        return self._last_s
