"""Video as H.264, each picture at its own time, in files that survive a crash."""

from __future__ import annotations

import logging
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamseg.contracts import Shown
from streamseg.errors import OutputError
from streamseg.frame import Pixels, as_image
from streamseg.planes import BT601, Planes, wrap
from streamseg.sinks.videofile import VideoFile, check_room, reason

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

# Without look-ahead, so that a frame is in the file as soon as it was shown; 20 is visually close to the source.
_ENCODER = {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}
CLOCK = Fraction(1, 90_000)
_KEY_EVERY = 90_000  # ticks: a crash costs the open fragment, so at most a second
_FIRST = 3_600  # ticks that a picture lasts of which nothing else is known
_NAMED_ALIKE, _UNSPECIFIED = (1, 6), 2  # BT.709 and BT.601 have one number for matrix, primaries and transfer


class VideoSink:
    """Writes H.264 with each frame at its own time; a change of size starts a further file, `NAME-2.mp4`."""

    blocking = True
    needs_picture = True

    def __init__(self, uri: str) -> None:
        self._path = Path(uri)
        self._finished, self._failed = 0, False
        self._open: Recording | None = None
        self.unwritten = 0
        """Frames that were in an open fragment when it could not be written."""
        folder = self._path.parent
        if not folder.is_dir():
            raise OutputError(f"{uri}: no such folder as {folder}")
        if not os.access(folder, os.W_OK) or self._path.is_dir():
            raise OutputError(f"{uri}: not writable")

    def write(self, shown: Shown) -> None:
        """Adds one picture at its frame's time; after an error the next picture starts a new file.

        Raises:
            OutputError: it cannot be written, for want of space say; what was written until then stays playable.
        """
        size = shown.pixels.shape[:2]
        if self._open is not None and (self._open.size != size or self._full(self._open, shown.frame.time_s)):
            self._finish()
        if self._open is None:
            self._open = self._begin(shown.pixels)
        try:
            self._open.write(shown.pixels, shown.frame.time_s)
        except (OSError, ValueError) as error:
            file, self._open = self._open, None
            file.abandon()
            raise self._lost(file, error) from None

    def close(self) -> None:
        """Finishes the file and gives it its name.

        Raises:
            OutputError: its end cannot be written.
        """
        self._finish()

    def _full(self, file: Recording, time_s: float) -> bool:
        """Whether a further file is due, although the size of the picture is the same."""
        return False

    def _next_path(self) -> Path:
        number = self._finished + 1
        return self._path if number == 1 else self._path.with_name(f"{self._path.stem}-{number}{self._path.suffix}")

    def _begin(self, first: Pixels) -> Recording:
        try:
            if self._failed:
                check_room(self._path.parent)
            return Recording(self._next_path(), first)
        except (OSError, ValueError) as error:
            raise OutputError(f"{self._path}: {reason(error)}") from None

    def _finish(self) -> None:
        if self._open is not None:
            file, self._open = self._open, None
            try:
                file.finish()
            except (OSError, ValueError) as error:
                raise self._lost(file, error) from None
            self._finished += 1

    def _lost(self, file: Recording, error: Exception) -> OutputError:
        """Counts what was not in the file yet."""
        self.unwritten += file.pending
        self._failed = True
        return OutputError(f"{self._path}: {reason(error)}")


class Recording(VideoFile):
    """A file of pictures of one size, whose times begin at 0."""

    def __init__(self, path: Path, first: Pixels) -> None:
        super().__init__(path)
        self.size, self.start_s = first.shape[:2], 0.0
        self._encoder = Encoder(self.container, first, str(path))
        self._begun = False

    def write(self, pixels: Pixels, time_s: float) -> None:
        """Adds a picture; OSError or ValueError as `mux`."""
        if not self._begun:
            self.start_s, self._begun = time_s, True
        for packet in self._encoder.write(pixels, time_s - self.start_s):
            self.mux(packet)

    def finish(self) -> None:
        """Empties the encoder first."""
        self.container.mux(self._encoder.flush())
        super().finish()


class Encoder:
    """H.264 for a stream of `container`: pictures like the `first`, each at its own time, a key frame every second."""

    def __init__(self, container: OutputContainer, first: Pixels, name: str) -> None:
        size = first.shape[:2]
        self._colours = first.colours if isinstance(first, Planes) else BT601
        height, width = (side + side % 2 for side in size)
        if (height, width) != size:
            _log.info("%s: %dx%d is padded to even sides, which H.264 wants", name, *size[::-1])
        self.stream = _start(container, (height, width), self._colours)
        self._ticks = self._key_ticks = -_KEY_EVERY
        self._padding = (height - size[0], width - size[1])

    def write(self, pixels: Pixels, time_s: float) -> list[Packet[VideoStream]]:
        """The packets that are ready after this picture; without look-ahead that is its own."""
        import av

        before, self._ticks = self._ticks, max(self._ticks + 1, round(time_s / CLOCK))
        frame = self._encodable(pixels)
        frame.pts, frame.time_base = self._ticks, CLOCK
        if self._ticks - self._key_ticks >= _KEY_EVERY:
            frame.pict_type = av.video.frame.PictureType.I
            self._key_ticks = self._ticks
        packets = self.stream.encode(frame)
        for packet in packets:  # the last of a file ends it: it is taken to be as long as the one before
            packet.duration = self._ticks - before if before >= 0 else _FIRST
        return packets

    def flush(self) -> list[Packet[VideoStream]]:
        """What is left."""
        return self.stream.encode(None)

    def _encodable(self, pixels: Pixels) -> av.VideoFrame:
        """A frame for the encoder, in this file's colours; planes that have them are taken as they are."""
        import av

        if isinstance(pixels, Planes) and pixels.colours == self._colours:
            return pixels.wrapped()
        picture = as_image(pixels)
        if any(self._padding):
            bottom, right = self._padding
            picture = np.asarray(cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        if self._colours == BT601:
            return wrap(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8), BT601)
        matrix, colour_range = self._colours
        return av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range=colour_range, threads=1
        )


def _start(container: OutputContainer, size: tuple[int, int], colours: tuple[int, int]) -> VideoStream:
    stream = container.add_stream("libx264", rate=30, options=_ENCODER)
    stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
    context = stream.codec_context
    context.time_base, context.gop_size = CLOCK, 250
    # Said, because players guess another matrix for HD where nothing is.
    context.colorspace, context.color_range = colours
    context.color_primaries = context.color_trc = colours[0] if colours[0] in _NAMED_ALIKE else _UNSPECIFIED
    return stream
