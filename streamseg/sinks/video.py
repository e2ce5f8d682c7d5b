"""Video as H.264 or H.265, each picture at its own time, in files that survive a crash."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from streamseg.contracts import Existing, Shown
from streamseg.errors import OutputError
from streamseg.files import Folder
from streamseg.frame import Pixels, as_image
from streamseg.machine import available_cores
from streamseg.pyav import failures
from streamseg.sinks import nvenc
from streamseg.sinks.codecs import H264, Encoding, encoding
from streamseg.sinks.crash_safe_file import FORMATS, VideoFile, check_room
from streamseg.sinks.kind import OutputKind, suffix_of
from streamseg.sinks.names import Names
from streamseg.sinks.part import reason
from streamseg.sinks.query import without_query
from streamseg.yuv import BT601, Planes, to_i420, wrap

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

CLOCK = Fraction(1, 90_000)
_KEY_EVERY = 90_000  # ticks: a crash costs the open fragment, so at most a second
_FIRST = 3_600  # ticks that a picture lasts of which nothing else is known
_PAUSE, _PAUSE_TIMES = 5_400_000, 10  # ticks without a picture, and times the step before: a camera was away
_LONGEST_STEP_S = {"mp4": 6 * 3600.0, "mov": 6 * 3600.0}  # 31 bits for the ticks from one picture to the next
_LONGEST_S = {"mpegts": 26 * 3600.0}  # 33 for those from the first
_TAGGED = ("mp4", "mov")
_NAMED_ALIKE, _UNSPECIFIED = (1, 6), 2  # BT.709 and BT.601 have one number for matrix, primaries and transfer


class VideoSink:
    """Writes video with each frame at its own time; another size or shape of pixels starts a file `NAME-2.mp4`."""

    blocking = True
    needs_image = True

    def __init__(
        self, uri: str, *, existing: Existing = "refuse", codec: str = "h264", fps: float | None = None
    ) -> None:
        self._names = Names(uri, numbers=False)
        self._path, self._encoding = Path(uri), encoding(codec, fps)
        self._replace = existing == "replace"
        self._finished, self._failed = 0, False
        self._open: Recording | None = None
        self.unwritten = 0
        """Frames that were in an open fragment when it could not be written."""
        self._folder = Folder(self._names.folder)

    def write(self, shown: Shown) -> None:
        """Adds one picture at its frame's time; after an error the next picture starts a new file.

        Raises:
            OutputError: it cannot be written, for want of space say; what was written until then stays playable.
        """
        full = self._open is not None and self._full(self._open, shown.frame.time_s)
        if self._open is not None and (full or not self._open.takes(shown)):
            self._finish()
        if self._open is None:
            self._open = self._begin(shown)
        try:
            self._open.write(shown.pixels, shown.frame.time_s)
        except failures() as error:
            file, self._open = self._open, None
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

    def _recording(self, first: Shown, *, replace: bool) -> Recording:
        return Recording(self._names.path(), first, self._encoding, replace=replace)

    def _begin(self, first: Shown) -> Recording:
        try:
            self._folder.make()
            if self._failed:
                check_room(self._path.parent)
            replace = self._replace and not self._finished
            return self._recording(first, replace=replace)
        except failures() as error:
            raise OutputError(f"{self._path}: {reason(error)}") from None

    def _finish(self) -> None:
        if self._open is not None:
            file, self._open = self._open, None
            try:
                file.finish()
            except failures() as error:
                raise self._lost(file, error) from None
            self._finished += 1

    def _lost(self, file: Recording, error: Exception) -> OutputError:
        """Lets go of the file, and counts what was not in it yet."""
        file.abandon()
        self.unwritten += file.pending
        self._failed = True
        return OutputError(f"{self._path}: {reason(error)}")


class Recording(VideoFile):
    """A file of pictures that one encoder takes, whose times begin at 0."""

    def __init__(self, path: Path, first: Shown, encoding: Encoding = H264, *, replace: bool = False) -> None:
        super().__init__(path, replace=replace)
        self.start_s = self._last_s = 0.0
        self._begun = False
        try:
            there = nvenc.encodes(first.pixels, str(path), encoding)
            self._encoder = Encoder(self.container, first, str(path), encoding, on_gpu=there)
        except BaseException:
            self.abandon()
            raise

    def takes(self, shown: Shown) -> bool:
        """Whether its encoder takes the picture, and its format has numbers for the time."""
        return self._reaches(shown.frame.time_s) and self._encoder.takes(shown)

    def write(self, pixels: Pixels, time_s: float) -> None:
        """Adds a picture; OSError or ValueError as `mux`."""
        if not self._begun:
            self.start_s, self._begun = time_s, True
        self._last_s = time_s
        for packet in self._encoder.write(pixels, time_s - self.start_s):
            self.mux(packet)

    def _reaches(self, time_s: float) -> bool:
        kind = self.container.format.name
        longest_step_s, longest_s = _LONGEST_STEP_S.get(kind, math.inf), _LONGEST_S.get(kind, math.inf)
        return time_s - self._last_s <= longest_step_s and time_s - self.start_s <= longest_s

    def finish(self) -> None:
        """Empties the encoder first."""
        self.container.mux(self._encoder.flush())
        super().finish()


class Encoder:
    """Encodes a stream of `container`: pictures like the `first`, each at its own time, a key frame every second.

    `options` are those of the CPU's encoder, instead of its own. `on_gpu`: that of an NVIDIA GPU, which takes pictures
    from there. The first of them opens it, so nothing is known of its packets before.
    """

    def __init__(
        self,
        container: OutputContainer,
        first: Shown,
        name: str,
        encoding: Encoding = H264,
        options: Mapping[str, str] | None = None,
        *,
        on_gpu: bool = False,
    ) -> None:
        self._form = _form(first)
        size, aspect = first.pixels.shape[:2], first.frame.pixel_aspect
        self._colours = first.pixels.colours if isinstance(first.pixels, Planes) else BT601
        height, width = (max(encoding.least, side + side % 2) for side in size)
        if (height, width) != size:
            wants = f"sides that are even and no shorter than {encoding.least}, which {encoding.title} wants"
            _log.info("%s: %dx%d is padded to %s", name, *size[::-1], wants)
        self._size, self._aspect, self._on_gpu = (height, width), aspect, on_gpu
        self._encoding = encoding
        self._options = dict(encoding.recorded_there if on_gpu else options or encoding.recorded)
        self.stream = self.stream_in(container)
        self._ticks = self._key_ticks = -_KEY_EVERY
        self._step: int | None = None
        self._padding = (height - size[0], width - size[1])

    def stream_in(self, container: OutputContainer) -> VideoStream:
        """A stream for this encoder's packets, with the same parameters: also in a further file.

        Not made after the template of `stream`: PyAV 16 and older open an encoder with other options for that.
        """
        stream = _start(container, self._encoding, self._size, self._colours, self._options, on_gpu=self._on_gpu)
        stream.codec_context.sample_aspect_ratio = self._aspect
        return stream

    def takes(self, shown: Shown) -> bool:
        """Whether a picture has the size of the first and its shape of pixels, and is where it is wanted.

        A GPU's encoder takes none that was drawn on the CPU.
        """
        if _form(shown) != self._form:
            return False
        there = isinstance(shown.pixels, Planes) and shown.pixels.on_gpu and shown.pixels.colours == self._colours
        return bool(there) or not self._on_gpu

    def pauses(self, time_s: float) -> bool:
        """Whether one of this time would come after a minute without any, where they came far more often before."""
        step = round(time_s / CLOCK) - self._ticks
        return self._step is not None and step > max(_PAUSE, self._step * _PAUSE_TIMES)

    def write(self, pixels: Pixels, time_s: float, *, key: bool = False) -> list[Packet[VideoStream]]:
        """The packets that are ready after this picture, a `key` frame if asked; without look-ahead that is its own."""
        import av

        before, self._ticks = self._ticks, max(self._ticks + 1, round(time_s / CLOCK))
        frame = self._encodable(pixels)
        frame.pts, frame.time_base = self._ticks, CLOCK
        if key or self._ticks - self._key_ticks >= _KEY_EVERY:
            frame.pict_type = av.video.frame.PictureType.I
            self._key_ticks = self._ticks
        packets = self.stream.encode(frame)
        step = self._ticks - before if before >= 0 else None
        lasts = _FIRST if step is None else step if step <= _KEY_EVERY else min(step, self._step or step)
        for packet in packets:  # the last of a file ends it: taken to last as long as the one before, which no gap does
            packet.duration = lasts
        self._step = step
        return packets

    def flush(self) -> list[Packet[VideoStream]]:
        """What is left."""
        return self.stream.encode(None)

    def _encodable(self, pixels: Pixels) -> av.VideoFrame:
        """A frame for the encoder, in this file's colours; planes that have them are taken as they are."""
        if isinstance(pixels, Planes) and pixels.colours == self._colours and not any(self._padding):
            return (pixels.there() if self._on_gpu else None) or pixels.wrapped()
        image = as_image(pixels)
        if any(self._padding):
            bottom, right = self._padding
            image = np.asarray(cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        return wrap(to_i420(image, self._colours), self._colours)


def _form(shown: Shown) -> tuple[object, ...]:
    """What all pictures of a stream have in common: height, width, and how wide a pixel is."""
    return (*shown.pixels.shape[:2], shown.frame.pixel_aspect)


def _start(
    container: OutputContainer,
    encoding: Encoding,
    size: tuple[int, int],
    colours: tuple[int, int],
    options: dict[str, str],
    *,
    on_gpu: bool,
) -> VideoStream:
    codec, pix_fmt = (encoding.gpu, "cuda") if on_gpu else (encoding.cpu, "yuv420p")
    stream = cast("VideoStream", container.add_stream(codec, rate=encoding.rate, options=options))
    stream.height, stream.width, stream.pix_fmt = *size, pix_fmt
    context = stream.codec_context
    if encoding.tag and container.format.name in _TAGGED:
        context.codec_tag = encoding.tag
    context.time_base, context.gop_size = CLOCK, 250
    context.thread_count = available_cores()  # left to itself it takes the machine's, whatever a container may use
    # Said, because players guess another matrix for HD where nothing is.
    context.colorspace, context.color_range = colours
    context.color_primaries = context.color_trc = colours[0] if colours[0] in _NAMED_ALIKE else _UNSPECIFIED
    return stream


def has_pattern(uri: str) -> bool:
    """Whether the name of a video asks for many, named by the time, or has options."""
    name = Path(without_query(uri)).name
    return "%" in name.replace("%%", "") or without_query(uri) != uri


VIDEO = OutputKind(
    forms="FILE.mp4|mkv|mov|ts",
    means=lambda uri: suffix_of(uri) in FORMATS and not has_pattern(uri),
    open=lambda uri, info, controls, existing: VideoSink(uri, existing=existing, codec=controls.codec, fps=info.fps),
    names=lambda uri, inputs: Names(uri, numbers=False),
    patterns=True,
)
