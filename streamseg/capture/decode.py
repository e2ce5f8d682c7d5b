"""What every PyAV source shares: packets to frames, frames to pictures, and errors in plain words."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamseg.buffers import Pool
from streamseg.errors import InputError, SourceError, StreamsegError
from streamseg.frame import Pixels
from streamseg.picturefile import check_size
from streamseg.planes import Planes, holds_planes, to_bgr

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

# Containers and raw streams that hold their own pixels. Playlists and descriptions (HLS, DASH, SDP, concat) are left
# out, whatever a file is called: they make the reader fetch what they name.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,yuv4mpegpipe,h264,hevc,mjpeg,"
    "m4v,obu,ivf,apng,nut,mxf,vc1,wtv,dv"
)

_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
_MAX_FAILURES_IN_A_ROW = 16
_AUTH_RETRY_S = 30.0  # cameras lock an account after a few wrong passwords


def decode_packets(container: InputContainer, stream: VideoStream, counters: dict[str, int]) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded; a packet that cannot is counted under `decode_errors` and passed over.

    PyAV's own `decode` ends at the first bad packet, and so would lose the rest of the file.

    Raises:
        av.error.FFmpegError: the connection or the disk failed.
    """
    import av

    for packet in _packets(container, stream, counters):
        try:
            frames = packet.decode() if packet else _held_back(stream)
        except av.error.FFmpegError:  # also sizes above `max_pixels` and features that the decoder lacks
            counters["decode_errors"] += 1
            continue
        yield from frames


def _held_back(stream: VideoStream) -> list[av.VideoFrame]:
    frames = stream.codec_context.decode(None)
    for frame in frames:
        if stream.time_base is not None:
            frame.time_base = stream.time_base  # which the decoder does not know by itself
    return frames


def _packets(
    container: InputContainer, stream: VideoStream, counters: dict[str, int]
) -> Iterator[av.Packet[VideoStream] | None]:
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


def to_pixels(frame: av.VideoFrame, pool: Pool) -> Pixels:
    """The planes of a decoded frame where it has them as everybody can use them, or its picture, upright."""
    if holds_planes(frame):
        return Planes(frame)
    picture = to_bgr(frame)
    turn = _TURNS.get(round(frame.rotation) % 360)
    if turn is None:
        return picture
    height, width = picture.shape[:2] if turn == cv2.ROTATE_180 else picture.shape[1::-1]
    return np.asarray(cv2.rotate(picture, turn, dst=pool.take(height, width, 3)), np.uint8)


def video_stream(container: InputContainer, name: str, max_megapixels: float) -> VideoStream:
    """The container's first video stream; the cover picture of a song is none.

    Raises:
        InputError: it has none, or its pictures are larger than allowed.
    """
    import av

    cover = av.stream.Disposition.attached_pic
    moving = [each for each in container.streams.video if not each.disposition & cover]
    if not moving:
        raise InputError(f"{name}: no video in it")
    stream = moving[0]
    if stream.codec_context is None:  # a stream that is announced in a format unknown to FFmpeg
        raise InputError(f"{name}: its video is in a format that cannot be decoded")
    check_size(stream.width, stream.height, name, max_megapixels)
    stream.codec_context.options = {**stream.codec_context.options, **pixel_limit(max_megapixels)}
    return stream


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
        hint = "put user and password into the URL, or into STREAMSEG_USER and STREAMSEG_PASSWORD"
        return SourceError(f"{name}: wrong or missing password", hint, retry_s=_AUTH_RETRY_S)
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceError(f"{name}: the server has no such stream", "check the path in the URL")
    if isinstance(error, av.error.ExitError):
        return SourceError(f"{name}: does not answer")
    if isinstance(error, av.error.InvalidDataError | av.error.ArgumentError):  # the latter: of a format not let in
        return kind(f"{name}: {'no answer that is a video stream' if network else 'not a video that can be read'}")
    code = getattr(error, "errno", None)
    if code is not None and code in _REASONS:
        return kind(f"{name}: {_REASONS[code]}")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return kind(f"{name}: {reason.lower()}")


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
