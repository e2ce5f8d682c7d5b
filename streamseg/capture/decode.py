"""What every PyAV source shares: packets to frames, frames to pictures, and errors in plain words."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from streamseg.capture.filters import Decoded, Filters
from streamseg.capture.hardware import Watch, usable
from streamseg.errors import InputError, SourceError, StreamsegError
from streamseg.files import missing
from streamseg.frame import Pixels
from streamseg.gpu import MakeSmall
from streamseg.imagefile import check_size
from streamseg.imagefile.depth import Span, to_bytes
from streamseg.imagefile.depth import to_bgr as as_bgr
from streamseg.net.login import LOGIN_HINT, LOGIN_RETRY_S, NO_STREAM, NO_STREAM_HINT
from streamseg.pyav import read_only
from streamseg.yuv import Planes, holds_planes, in_eight_bits, to_bgr

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

    Packets = Iterator[av.Packet[VideoStream] | None]
    """None stands for their end."""

_log = logging.getLogger(__name__)

# Containers and raw streams that hold their own pixels. Playlists and descriptions (HLS, DASH, SDP, concat) are left
# out, whatever a file is called: they make the reader fetch what they name.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,yuv4mpegpipe,h264,hevc,mjpeg,"
    "jpeg_pipe,m4v,obu,ivf,apng,nut,mxf,vc1,wtv,dv"
)

# A transport stream may go on under other numbers, where an encoder was started again or recordings joined: without
# this all that follows is a stream that nobody reads. Other formats do not know the word.
GOES_ON = {"merge_pmt_versions": "1"}

# Those without a word on time of their own, so that FFmpeg counts 25 frames a second unless the pictures name a rate.
BARE = {"h264", "hevc", "mpegvideo", "m4v", "obu", "vc1", "mjpeg", "jpeg_pipe"}
_ASSUMED_RATE = 25.0
_MOST_RATE = 1000.0  # MPEG-4 names the ticks of its clock where its rate varies, and FFmpeg 8 those of DV
_CONSTANT = 0.02  # part by which a rate may differ from the one that FFmpeg guesses, and still be constant
_MAX_FAILURES_IN_A_ROW = 16


class Demuxer(Protocol):
    """What gives packets: a container, or what stands before one."""

    def demux(self, stream: VideoStream, /) -> Iterator[av.Packet[VideoStream]]:
        """The packets of `stream`, from where the last call ended."""


def decode_packets(
    container: Demuxer,
    stream: VideoStream,
    counters: dict[str, int],
    watch: Watch,
    wanted: Callable[[Packets], Packets] = lambda packets: packets,
) -> Iterator[Decoded]:
    """Every frame that can be decoded of the `wanted` packets, upright, of both its fields, in plain colours.

    Raises:
        av.error.FFmpegError: the connection or the disk failed.
        SourceError: the GPU's decoder failed.
    """
    return Filters(stream, counters)(_frames(wanted(_packets(container, stream, counters)), stream, counters, watch))


def _frames(packets: Packets, stream: VideoStream, counters: dict[str, int], watch: Watch) -> Iterator[av.VideoFrame]:
    """A packet that cannot be decoded is counted under `decode_errors` and passed over.

    PyAV's own `decode` ends at the first bad packet, and so would lose the rest of the file.
    """
    import av

    for packet in packets:
        try:
            frames = packet.decode() if packet else _held_back(stream)
        except av.error.FFmpegError as error:  # also sizes above `max_pixels` and features that the decoder lacks
            counters["decode_errors"] += 1
            if not isinstance(error, av.error.InvalidDataError):  # which no GPU is to blame for
                watch.decoded(None)
            continue
        watch.decoded(frames)
        yield from map(usable, frames)


def _held_back(stream: VideoStream) -> list[av.VideoFrame]:
    frames = stream.codec_context.decode(None)
    for frame in frames:
        if stream.time_base:
            frame.time_base = stream.time_base  # which the decoder does not know by itself
    return frames


def _packets(container: Demuxer, stream: VideoStream, counters: dict[str, int]) -> Packets:
    """The stream's packets, then None: what the decoder still holds is to be fetched.

    Most containers find their feet again behind a damaged place when they are asked once more.
    """
    import av

    failures_in_a_row = 0
    while failures_in_a_row < _MAX_FAILURES_IN_A_ROW:
        try:
            for packet in container.demux(stream):
                if packet.size:
                    failures_in_a_row = 0
                    yield packet
            break
        except (
            av.error.InvalidDataError,
            IndexError,
        ):  # IndexError: PyAV has no place for a stream that damage invents
            counters["decode_errors"] += 1
            failures_in_a_row += 1
    yield None


def to_pixels(frame: av.VideoFrame, span: Span | None = None, small: MakeSmall | None = None) -> Pixels:
    """The planes of a decoded frame where it has them as everybody can use them, or its picture.

    `span` is what 16 grey bits show as black and as white; without it that is all that they can hold. `small` is what
    makes frames small that stay on a GPU.
    """
    if span is not None and has_grey_values(frame.format.name):
        return as_bgr(to_bytes(frame.to_ndarray(), span))
    frame = in_eight_bits(frame)
    return Planes(frame, small=small) if holds_planes(frame) else to_bgr(frame)


def has_grey_values(format_name: str | None) -> bool:
    """Whether it is that of measured values, as a microscope or a thermal camera records them."""
    return (format_name or "").startswith("gray16")


def frame_rate(container: InputContainer, stream: VideoStream, name: str) -> float | None:
    """Nominal frames a second; None where they vary, or nothing is known.

    Of a stream without a container the rate in its own headers (H.264's and HEVC's timing information), and 25, with
    a warning, where they name none.
    """
    average, guessed = stream.average_rate, stream.guessed_rate
    if average and average > _MOST_RATE:
        average = guessed
    if not BARE.isdisjoint(container.format.name.split(",")):
        own = stream.codec_context.framerate or 0
        if not own:
            _log.warning("%s names no rate: %g frames a second are assumed", name, average or _ASSUMED_RATE)
        rate = own if 0 < own <= _MOST_RATE else guessed
        return float(rate or _ASSUMED_RATE)
    constant = average and guessed and abs(float(average / guessed) - 1) < _CONSTANT
    return float(average) if average and constant else None


def video_stream(container: InputContainer, name: str, max_megapixels: float) -> VideoStream:
    """The container's best video stream; the cover picture of a song is none.

    Raises:
        InputError: it has none, or its pictures are larger than allowed.
    """
    import av

    cover = av.stream.Disposition.attached_pic
    moving = [each for each in container.streams.video if not each.disposition & cover]
    if not moving:
        raise InputError(f"{name}: no video in it")
    known = [each for each in moving if each.codec_context is not None]
    if not known:  # streams that are announced in a format unknown to FFmpeg
        raise InputError(f"{name}: its video is in a format that cannot be decoded")
    stream = _best(known, container.streams.best("video"))
    check_size(stream.width, stream.height, name, max_megapixels)
    stream.codec_context.options = {**stream.codec_context.options, **pixel_limit(max_megapixels)}
    read_only(container, stream)
    return stream


def _best(streams: list[VideoStream], favourite: Stream | None) -> VideoStream:
    """FFmpeg's favourite, which has most pictures or bits, or one behind it that beats it: it does not know sizes."""
    import av

    def rank(stream: VideoStream) -> tuple[bool, bool, int]:
        switched_on = bool(stream.disposition & av.stream.Disposition.default)
        return stream.frames != 1, switched_on, stream.width * stream.height

    first = next((number for number, stream in enumerate(streams) if stream is favourite), 0)
    return max(streams[first:], key=rank)


def pixel_limit(max_megapixels: float) -> dict[str, str]:
    """The decoder's own limit: given at opening, which decodes a little to learn the size, and for what follows."""
    return {"max_pixels": str(int(max_megapixels * 1e6))}


def open_error(error: Exception, name: str) -> StreamsegError:
    """What went wrong in words of ours; never the library's, which hold the URL with its password."""
    import av

    network = "://" in name or name == "-"
    kind = SourceError if network else InputError
    if isinstance(error, StreamsegError):
        return error
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return SourceError(f"{name}: wrong or missing password", LOGIN_HINT, retry_s=LOGIN_RETRY_S)
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceError(f"{name}: {NO_STREAM}", NO_STREAM_HINT)
    if isinstance(error, av.error.ExitError):
        return SourceError(f"{name}: does not answer", away=True)
    code = getattr(error, "errno", None)
    # EINVAL: of a format not let in. A plain ValueError: a playlist names what is no text.
    if isinstance(error, ValueError | av.error.EOFError) or code == errno.EINVAL:
        return kind(f"{name}: {'no answer that is a video stream' if network else 'not a video that can be read'}")
    if code == errno.ENOENT and not network:
        return missing(name, "0 is the first camera" if name in _CAMERAS else "")
    if code is not None and code in _REASONS:
        return kind(f"{name}: {_REASONS[code]}")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return kind(f"{name}: {reason.lower()}")


_CAMERAS = ("webcam", "camera", "cam")
_REASONS = {
    errno.ENOENT: "no such file",
    errno.EISDIR: "is a folder without pictures",
    errno.EACCES: "may not be read",
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EHOSTUNREACH: "host not reachable",
    errno.ENETUNREACH: "network not reachable",
    errno.ETIMEDOUT: "does not answer",
    errno.EPROTONOSUPPORT: "protocol not supported",
}
