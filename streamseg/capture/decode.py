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
from streamseg.frame import Image

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
_BT709 = 1  # ITU-T H.273 matrix coefficients
_FULL_RANGE = 2
_AUTH_RETRY_S = 30.0  # cameras lock an account after a few wrong passwords


def decode_packets(container: InputContainer, stream: VideoStream, counters: dict[str, int]) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded; a packet that cannot is counted under `decode_errors` and passed over.

    PyAV's own `decode` ends at the first bad packet, and so would lose the rest of the file.
    """
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.InvalidDataError:
            counters["decode_errors"] += 1  # the container's own tail is damaged: nothing more can be found
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            counters["decode_errors"] += 1
            continue
        yield from frames


def to_picture(frame: av.VideoFrame, pool: Pool) -> Image:
    """(H, W, 3) u8 BGR of a decoded frame, upright, out of `pool` where the format allows.

    OpenCV's conversion from 4:2:0 takes half the time of swscale's, but knows only the matrix of BT.601 in limited
    range; frames that say otherwise, and all other formats, take swscale's way.
    """
    picture = _quick(frame, pool)
    if picture is None:
        picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    turn = _TURNS.get(round(frame.rotation) % 360)
    return picture if turn is None else np.asarray(cv2.rotate(picture, turn), np.uint8)


def _quick(frame: av.VideoFrame, pool: Pool) -> Image | None:
    plain = frame.format.name == "yuv420p" and frame.colorspace != _BT709 and frame.color_range != _FULL_RANGE
    if not plain or frame.width % 2 or frame.height % 2:
        return None
    picture = pool.take(frame.height, frame.width)
    cv2.cvtColor(np.asarray(frame.to_ndarray(), np.uint8), cv2.COLOR_YUV2BGR_I420, dst=picture)
    return picture


def video_stream(container: InputContainer, name: str, max_megapixels: float) -> VideoStream:
    """The container's first video stream.

    Raises:
        InputError: it has none, or its pictures are larger than allowed.
    """
    if not container.streams.video:
        raise InputError(f"{name}: no video in it")
    stream = container.streams.video[0]
    check_size(stream.width, stream.height, name, max_megapixels)
    stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(int(max_megapixels * 1e6))}
    return stream


def check_size(width: int, height: int, name: str, max_megapixels: float) -> None:
    """Refuses pictures that would fill the memory.

    Raises:
        InputError: too large.
    """
    if width * height > max_megapixels * 1e6:
        raise InputError(f"{name}: {width}x{height} is more than {max_megapixels:g} megapixels")


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
    if isinstance(error, av.error.InvalidDataError) and network:
        return kind(f"{name}: no answer that is a video stream")
    if isinstance(error, av.error.InvalidDataError):
        return kind(f"{name}: not a video that can be read")
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
