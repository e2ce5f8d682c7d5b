"""FFmpeg's own filters for video that is not plain: interlaced, turned or mirrored, of high dynamic range."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from streamseg.capture.hardware import in_three_planes
from streamseg.capture.hdr import table_file, tone_mapping
from streamseg.capture.orientation import Chain, orientation, turns
from streamseg.frame import SQUARE
from streamseg.machine import available_cores

if TYPE_CHECKING:
    import av
    from av.filter import Graph
    from av.video.stream import VideoStream

UNTOLD = ("avi",)
"""Containers that say in which order frames are decoded, and not when they are shown."""

# One picture of each frame, made of both of its fields; frames that are not marked as interlaced pass as they are. It
# waits for the frame behind, so it is for streams that have such frames.
_DEINTERLACE = (("bwdif", "mode=send_frame:deint=interlaced"),)
# There an interlaced frame is said by nothing but a picture that is one field by itself, with nothing to weave.
_FIELDS_APART = ("hevc",)
_STRANGEST = 10  # a pixel that is ten times as wide as high, or the other way round, is damage


class Decoded(NamedTuple):
    """A frame as it is to be seen, with what was known of it when it left the decoder."""

    frame: av.VideoFrame
    time: float | None
    lasts_s: float | None
    pixel_aspect: Fraction


class Filters:
    """Brings the frames of one stream into the form in which they are to be seen; a plain one is not touched.

    What a frame needs is looked up at key frames, at which alone a stream changes; whether it is interlaced, at each.
    """

    def __init__(self, stream: VideoStream, counters: dict[str, int]) -> None:
        self._stream, self._counters = stream, counters
        self._contained = _contained_aspect(stream)
        self._untold = stream.container.format.name in UNTOLD
        self._seen = self._interlaced = False
        self._weaves = stream.codec_context.name not in _FIELDS_APART
        self._chain: Chain = ()
        self._aspect = SQUARE
        self._made_for: tuple[object, ...] | None = None
        self._graph: Graph | None = None
        self._inside: deque[Decoded] = deque()

    def __call__(self, frames: Iterable[av.VideoFrame]) -> Iterator[Decoded]:
        """One for each of `frames`, in their order; one that cannot be filtered is counted under `decode_errors`."""
        import av

        for frame in frames:
            if frame.key_frame or not self._seen:
                self._look(frame)
            if self._weaves and not self._interlaced and frame.interlaced_frame:
                self._interlaced, self._chain = True, _DEINTERLACE + self._chain
            lasts_s = length_s(frame) if frame.pts is None else None
            decoded = Decoded(frame, _decoded_s(frame) if self._untold else frame.time, lasts_s, self._aspect)
            if not self._chain and self._graph is None:
                yield decoded
                continue
            try:
                yield from self._filtered(decoded)
            except av.error.FFmpegError:
                self._counters["decode_errors"] += len(self._inside) + (decoded not in self._inside)
                self._graph = self._made_for = None
                self._inside.clear()
        yield from self._rest()

    def _look(self, frame: av.VideoFrame) -> None:
        context, self._seen = self._stream.codec_context, True
        turn = orientation(frame)
        transfer = getattr(frame, "color_trc", None) or context.color_trc  # frames of older PyAV do not say it
        self._chain = (_DEINTERLACE if self._interlaced else ()) + turn + tone_mapping(int(transfer or 0))
        aspect = _plausible(self._contained or context.sample_aspect_ratio)
        self._aspect = 1 / aspect if turns(turn) else aspect

    def _filtered(self, decoded: Decoded) -> Iterator[Decoded]:
        frame = in_three_planes(decoded.frame)
        look = frame.format.name, frame.width, frame.height, int(frame.colorspace), int(frame.color_range)
        if (self._chain, *look) != self._made_for:
            yield from self._rest()
            self._graph = graph_of(self._chain, frame) if self._chain else None
            self._made_for = self._chain, *look
        if self._graph is None:
            yield decoded
            return
        self._inside.append(decoded)
        self._graph.push(frame)
        yield from self._pulled()

    def _pulled(self) -> Iterator[Decoded]:
        import av

        while self._graph is not None and self._inside:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield self._inside.popleft()._replace(frame=frame)

    def _rest(self) -> Iterator[Decoded]:
        """What the filters still hold."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pulled()
        self._graph = None
        self._inside.clear()


def _decoded_s(frame: av.VideoFrame) -> float | None:
    """When the packet was decoded with which the frame came out: what counts where packets say nothing else.

    What FFmpeg gives as the time to show it is out of order there where frames look ahead (H.264 with B-frames).
    """
    return float(frame.dts * frame.time_base) if frame.dts is not None and frame.time_base else None


def length_s(frame: av.VideoFrame) -> float:
    """How long a frame is to be shown; 0 where that is not said."""
    ticks = getattr(frame, "duration", None)
    return float(ticks * frame.time_base) if ticks and frame.time_base else 0.0


def _contained_aspect(stream: VideoStream) -> Fraction | None:
    """The shape of pixels that the container says, which counts more than the stream's own; None where it is that."""
    said = stream.sample_aspect_ratio
    return said if said and said != stream.codec_context.sample_aspect_ratio else None


def _plausible(said: Fraction | None) -> Fraction:
    return said if said and Fraction(1, _STRANGEST) <= said <= _STRANGEST else SQUARE


def graph_of(chain: Chain, frame: av.VideoFrame) -> Graph:
    """`chain` for frames like this one."""
    import av

    graph = av.filter.Graph()
    if hasattr(graph, "threads"):  # since PyAV 17; one a core else
        graph.threads = max(1, available_cores() // 2)  # as many as the decoder has
    base = frame.time_base or Fraction(1, 90_000)
    last = graph.add(
        "buffer",
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={base}"
        f":colorspace={int(frame.colorspace)}:range={int(frame.color_range)}",
    )
    for name, arguments in (*chain, ("buffersink", "")):
        if name == "lut3d":
            with table_file(arguments) as path:
                node = graph.add(name, file=path, interp="tetrahedral")
        else:
            node = graph.add(name, arguments) if arguments else graph.add(name)
        last.link_to(node)
        last = node
    graph.configure()
    return graph
