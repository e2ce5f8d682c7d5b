"""Pictures as video has them: brightness, and colour at half the resolution (4:2:0, eight bits)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

Plane = NDArray[np.uint8]

BT601 = (6, 1)
"""Colours, as matrix and range in FFmpeg's numbers: those of OpenCV's conversion, and of video that says nothing."""
_FULL_RANGE = 2
# Weights of red and blue in brightness, by matrix (ITU-T H.273, table 4); all others count as BT.601, as in swscale.
_WEIGHTS = {
    1: (0.2126, 0.0722), 4: (0.30, 0.11), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}  # fmt: skip
# By how many levels swscale's integers come out too low, by range: blue, green, red, measured over all matrices.
_ROUNDED_DOWN = {1: (0.95, 1.4, 0.95), 2: (0.45, 0.9, 0.45)}


class Planes:
    """One picture of even sides, read-only but for whoever made it; made of a decoded frame without a copy.

    `image` is converted when somebody first asks, and kept. Two threads that ask at the same moment both convert, to
    the same result, so no lock is needed.
    """

    __slots__ = ("_buffer", "_frame", "_image", "colours", "u", "v", "y")

    def __init__(self, frame: av.VideoFrame, buffer: Plane | None = None) -> None:
        """Of a frame that `holds_planes`; writable where it is around a `buffer`, see `wrap`."""
        full = frame.color_range == _FULL_RANGE or frame.format.name == "yuvj420p"
        matrix = int(frame.colorspace)
        self.colours = matrix if matrix in _WEIGHTS else BT601[0], _FULL_RANGE if full else BT601[1]
        self.y, self.u, self.v = (_view(plane, writable=buffer is not None) for plane in frame.planes)
        """(H, W), and twice (H / 2, W / 2) u8; rows may lie further apart than they are long."""
        self._frame, self._buffer = frame, buffer
        self._image: NDArray[np.uint8] | None = None

    @classmethod
    def blank(cls, buffer: Plane, colours: tuple[int, int]) -> Planes:
        """Writable planes with undefined content in `buffer`, (H * 3 / 2, W) u8."""
        return cls(wrap(buffer, colours), buffer)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, 3: that of `image`."""
        return (*self.y.shape, 3)

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) u8 BGR, read-only."""
        if self._image is None:
            image = to_bgr(self._frame)
            image.setflags(write=False)
            self._image = image
        return self._image

    def wrapped(self) -> av.VideoFrame:
        """A frame of the caller's own, around the same bytes where that is safe, else around a copy."""
        buffer = self._buffer
        return wrap(np.asarray(self._frame.to_ndarray() if buffer is None else buffer, np.uint8), self.colours)


def wrap(buffer: Plane, colours: tuple[int, int]) -> av.VideoFrame:
    """A frame around (H * 3 / 2, W) u8 in I420, without a copy; whoever holds the frame holds the buffer.

    Where H is no multiple of 4 it is a copy, because PyAV rounds the height of what it takes as it is.
    """
    import av

    make = av.VideoFrame.from_ndarray if buffer.shape[0] % 6 else av.VideoFrame.from_numpy_buffer
    frame = make(buffer, format="yuv420p")
    frame.colorspace, frame.color_range = colours
    return frame


def holds_planes(frame: av.VideoFrame) -> bool:
    """Whether a decoded frame can be taken as `Planes`: 4:2:0 in eight bits, upright, of sides that `wrap` knows."""
    even = frame.width % 2 == frame.height % 4 == 0
    plain = frame.format.name in ("yuv420p", "yuvj420p") and not round(frame.rotation) % 360
    return even and plain and frame.planes[0].line_size > 0  # below 0 the rows lie bottom up


def to_bgr(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """(H, W, 3) u8 BGR of a frame of any format, as it lies in the file; alpha is dropped.

    swscale is exact for every matrix and range, and since FFmpeg 8 needs half the time of OpenCV's way from 4:2:0
    (0.32 against 0.62 ms of one core at 720p). One thread, because it would start and end them for every frame.
    """
    return np.asarray(frame.to_ndarray(format="bgr24", threads=1), np.uint8)


@functools.cache
def from_yuv(colours: tuple[int, int]) -> NDArray[np.float64]:
    """(3, 4) matrix for `cv2.transform`: YUV bytes in these colours to BGR bytes, rounded down as `to_bgr` does."""
    forth = _exact(colours)
    forth[:, 3] -= _ROUNDED_DOWN[colours[1]]
    return forth


@functools.cache
def to_yuv(colours: tuple[int, int]) -> NDArray[np.float64]:
    """(3, 4) matrix for `cv2.transform`: BGR bytes to YUV bytes in these colours."""
    forth = _exact(colours)
    back = np.linalg.inv(forth[:, :3])
    return np.column_stack([back, -back @ forth[:, 3]])


def _exact(colours: tuple[int, int]) -> NDArray[np.float64]:
    """(3, 4): YUV to BGR by the standard."""
    red, blue = _WEIGHTS[colours[0]]
    green = 1 - red - blue
    of_v, of_u = 2 * (1 - red), 2 * (1 - blue)
    full = colours[1] == _FULL_RANGE
    luma, chroma, black = (1.0, 1.0, 0.0) if full else (255 / 219, 255 / 224, 16.0)
    rows = np.array([[1, of_u, 0], [1, -of_u * blue / green, -of_v * red / green], [1, 0, of_v]])
    rows *= (luma, chroma, chroma)
    return np.column_stack([rows, -rows @ (black, 128.0, 128.0)])


def _view(plane: av.video.plane.VideoPlane, *, writable: bool) -> Plane:
    """The plane's bytes where they are; a decoder's are read-only, because it predicts later frames from them."""
    rows: Plane = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
    rows.setflags(write=writable)
    return rows
