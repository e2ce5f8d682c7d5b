"""Video files that survive a crash: fragments of at most a second, under a `.part` name until they are whole."""

from __future__ import annotations

import contextlib
import logging
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamseg.contracts import Shown
from streamseg.errors import OutputError
from streamseg.frame import Image

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".ts": "mpegts"}
# A fragment is written at every key frame and ends as a plain file when it is closed in peace.
_FRAGMENTS = {"movflags": "hybrid_fragmented+frag_keyframe", "flush_packets": "1"}
_CONTAINER = {
    "mp4": _FRAGMENTS,
    "mov": _FRAGMENTS,
    "matroska": {"cluster_time_limit": "1000", "flush_packets": "1"},
    "mpegts": {"flush_packets": "1"},
}
# Without look-ahead, so that a frame is in the file as soon as it was shown; 20 is visually close to the source.
_ENCODER = {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}
_CLOCK = Fraction(1, 90_000)
_KEY_EVERY = 90_000  # ticks: a crash costs the open fragment, so at most a second
_BT601 = 6  # the matrix behind OpenCV's conversion; players guess another for HD where nothing is said


class VideoSink:
    """Writes H.264 with each frame at its own time; a change of size starts a further file, `NAME-2.mp4`."""

    blocking = True
    needs_picture = True

    def __init__(self, uri: str) -> None:
        self._path = Path(uri)
        self._files = 0
        self._open: _File | None = None
        folder = self._path.parent
        if not folder.is_dir():
            raise OutputError(f"{uri}: no such folder as {folder}")
        if not os.access(folder, os.W_OK) or self._path.is_dir():
            raise OutputError(f"{uri}: not writable")

    def write(self, shown: Shown) -> None:
        """Adds one picture at its frame's time.

        Raises:
            OutputError: it cannot be written, for want of space say; what was written until then stays playable.
        """
        size = shown.picture.shape[:2]
        if self._open is not None and self._open.size != size:
            self._finish()
        if self._open is None:
            self._files += 1
            self._open = _File(_numbered(self._path, self._files), size)
        try:
            self._open.write(shown.picture, shown.frame.time_s)
        except (OSError, ValueError) as error:
            self._open.abandon()
            self._open = None
            raise OutputError(f"{self._path}: {_reason(error)}") from None

    def close(self) -> None:
        """Finishes the file and gives it its name.

        Raises:
            OutputError: its end cannot be written.
        """
        self._finish()

    def _finish(self) -> None:
        if self._open is not None:
            file, self._open = self._open, None
            try:
                file.finish()
            except (OSError, ValueError) as error:
                raise OutputError(f"{file.path}: {_reason(error)}") from None


class _File:
    def __init__(self, path: Path, size: tuple[int, ...]) -> None:
        self.path, self.size = path, size
        self._part = path.with_name(path.name + ".part")
        _keep(self._part, path)
        kind = FORMATS[path.suffix.lower()]
        height, width = (side + side % 2 for side in size)
        if (height, width) != size:
            _log.info("%s: %dx%d is padded to even sides, which H.264 wants", path, size[1], size[0])
        try:
            self._container, self._stream = _start(self._part, kind, height, width)
        except (OSError, ValueError) as error:
            raise OutputError(f"{path}: {_reason(error)}") from None
        self._ticks = self._key_ticks = -_KEY_EVERY
        self._padding = (height - size[0], width - size[1])

    def write(self, picture: Image, time_s: float) -> None:
        import av

        self._ticks = max(self._ticks + 1, round(time_s / _CLOCK))
        if any(self._padding):
            bottom, right = self._padding
            picture = np.asarray(cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        frame = av.VideoFrame.from_ndarray(
            np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8), format="yuv420p"
        )
        frame.pts, frame.time_base = self._ticks, _CLOCK
        frame.colorspace, frame.color_range = _BT601, 1
        if self._ticks - self._key_ticks >= _KEY_EVERY:
            frame.pict_type = av.video.frame.PictureType.I
            self._key_ticks = self._ticks
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Empties the encoder, makes sure all of it is on the disk, and gives the file its name."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        with self._part.open("rb+") as file:
            os.fsync(file.fileno())
        self._part.replace(self.path)

    def abandon(self) -> None:
        """Closes what can be closed; the part stays, playable up to its last fragment."""
        with contextlib.suppress(OSError, ValueError):
            self._container.close()
        _log.warning("%s holds what was recorded until now", self._part)


def _start(part: Path, kind: str, height: int, width: int) -> tuple[OutputContainer, VideoStream]:
    import av

    container = av.open(f"file:{part}", "w", format=kind, options=_CONTAINER[kind])
    stream = container.add_stream("libx264", rate=30, options=_ENCODER)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.time_base, context.gop_size = _CLOCK, 250
    context.colorspace, context.color_primaries, context.color_trc, context.color_range = _BT601, _BT601, _BT601, 1
    return container, stream


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _keep(part: Path, path: Path) -> None:
    """What an earlier run left behind when it was killed gets a name of its own."""
    if part.exists():
        number = 1
        while (kept := path.with_name(f"{path.stem}-recovered-{number}{path.suffix}")).exists():
            number += 1
        part.rename(kept)
        _log.warning("%s was left by a run that was cut short: kept as %s", part.name, kept.name)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
