"""Pictures as video has them: brightness, and colour at half the resolution (4:2:0, eight bits)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.gpu import MakeSmall, brought_down, frame_of, is_on_gpu, planes_of
from streamseg.pyav import one_thread, to_bgr_from

if TYPE_CHECKING:
    import av

Plane = NDArray[np.uint8]

BT601 = (6, 1)
"""Colours, as matrix and range in FFmpeg's numbers: those of OpenCV's conversion, and of video that says nothing."""
_FULL_RANGE = 2
# Weights of red and blue in brightness, by matrix (ITU-T H.273, table 4); all others count as BT.601.
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_CONVERTED = {0, 2, 5, *_WEIGHTS}  # by swscale; since FFmpeg 8 it refuses all others
_COUNT_AS = {10: 9}  # BT.2020 of constant luminance: the same weights
# By how many levels swscale's integers come out too low, by range: blue, green, red, measured over all matrices.
_ROUNDED_DOWN = {1: (0.95, 1.4, 0.95), 2: (0.45, 0.9, 0.45)}


class Planes:
    """One picture of even sides, read-only but for its maker; made of a decoded frame without a copy.

    `image` is converted when it is first asked for, and kept; so is what has to come down from a GPU for it. Two
    threads that ask at the same moment both do it, to the same result, so no lock is needed.
    """

    __slots__ = ("_buffer", "_down", "_frame", "_image", "_three", "colours", "on_gpu", "shape")

    def __init__(self, frame: av.VideoFrame, buffer: Plane | None = None, *, small: MakeSmall | None = None) -> None:
        """Of a frame that `holds_planes`; writable where it is around a `buffer`, see `wrap`.

        `small` is what makes it small where it is, if that is a GPU.
        """
        self.colours = _colours(frame)
        self.shape = frame.height, frame.width, 3
        """Height, width, 3: that of `image`."""
        self.on_gpu = planes_of(frame, self.colours, small) if is_on_gpu(frame) else None
        """Where the picture is, if that is a GPU."""
        self._frame, self._buffer = frame, buffer
        self._down: av.VideoFrame | None = None
        self._three: tuple[Plane, Plane, Plane] | None = None
        self._image: NDArray[np.uint8] | None = None

    @classmethod
    def blank(cls, buffer: Plane, colours: tuple[int, int]) -> Planes:
        """Writable planes with undefined content in `buffer`, (H * 3 / 2, W) u8."""
        return cls(wrap(buffer, colours), buffer)

    def __reduce__(self) -> tuple[object, ...]:
        """As a copy in memory of its own: a decoder's frame cannot be taken to another process."""
        buffer = self._here().to_ndarray() if self._buffer is None else self._buffer
        return Planes.blank, (np.array(buffer, np.uint8), self.colours)

    @property
    def y(self) -> Plane:
        """(H, W) u8; rows may lie further apart than they are long."""
        return self._planes()[0]

    @property
    def u(self) -> Plane:
        """(H / 2, W / 2) u8, blue."""
        return self._planes()[1]

    @property
    def v(self) -> Plane:
        """(H / 2, W / 2) u8, red."""
        return self._planes()[2]

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) u8 BGR, read-only."""
        if self._image is None:
            image = to_bgr(self._here())
            image.setflags(write=False)
            self._image = image
        return self._image

    def small(self, height: int, width: int) -> tuple[Plane, Plane, Plane]:
        """Brightness, (height, width) u8, and blue and red at half of each; both sides even.

        Made where the picture is, if it is on a GPU and has not come down yet: then that comes down alone.
        """
        if self.on_gpu is not None and self.on_gpu.small is not None and self._down is None:
            made = self.on_gpu.small(self.on_gpu, height, width)
            if made is not None:
                return made
        half = height // 2, width // 2
        return shrunk(self.y, (height, width)), shrunk(self.u, half), shrunk(self.v, half)

    def wrapped(self) -> av.VideoFrame:
        """A frame of the caller's own, around the same bytes where that is safe, else around a copy."""
        buffer = self._buffer
        return wrap(np.asarray(self._here().to_ndarray() if buffer is None else buffer, np.uint8), self.colours)

    def there(self) -> av.VideoFrame | None:
        """A frame of the caller's own around the same picture on the GPU, for its encoder.

        None where it is on no GPU, or not in one piece: that encoder is told where the brightness is, and reads colours
        right behind its last row. A decoder leaves rows between them where it rounds the height up, 1080 to 1088.
        """
        found = self.on_gpu
        if found is None or (found.uv - found.y, found.uv_pitch) != (found.y_pitch * found.shape[0], found.y_pitch):
            return None
        return frame_of(found.planes, self.colours, found.gpu)

    def _planes(self) -> tuple[Plane, Plane, Plane]:
        if self._three is None:
            y, u, v = (_view(plane, writable=self._buffer is not None) for plane in self._here().planes)
            self._three = y, u, v
        return self._three

    def _here(self) -> av.VideoFrame:
        if self.on_gpu is None:
            return self._frame
        if self._down is None:
            self._down = brought_down(self._frame)
        return self._down


def wrap(buffer: Plane, colours: tuple[int, int]) -> av.VideoFrame:
    """A frame around (H * 3 / 2, W) u8 in I420, without a copy; a reference to the frame keeps the buffer alive.

    Where H is no multiple of 4 it is a copy, because PyAV rounds the height of what it takes as it is.
    """
    import av

    make = av.VideoFrame.from_ndarray if buffer.shape[0] % 6 else av.VideoFrame.from_numpy_buffer
    frame = make(buffer, format="yuv420p")
    frame.colorspace, frame.color_range = colours
    return frame


def in_known_colours(frame: av.VideoFrame) -> av.VideoFrame:
    """`frame`; where it names a matrix that FFmpeg cannot convert from, it names from now on the one it counts as."""
    matrix = int(frame.colorspace)
    if matrix not in _CONVERTED:
        frame.colorspace = _COUNT_AS.get(matrix, BT601[0])
    return frame


def holds_planes(frame: av.VideoFrame) -> bool:
    """Whether a decoded frame can be taken as `Planes`: 4:2:0 in eight bits, of sides that `wrap` knows."""
    if is_on_gpu(frame):
        return _has_even_sides(frame) and frame.sw_format is not None and frame.sw_format.name == "nv12"
    plain = frame.format.name in ("yuv420p", "yuvj420p")
    return _has_even_sides(frame) and plain and frame.planes[0].line_size > 0  # below 0 the rows lie bottom up


def in_eight_bits(frame: av.VideoFrame) -> av.VideoFrame:
    """4:2:0 of more bits, as telephones and cameras record it, rounded to what `Planes` are made of; else the frame.

    That is a third of what a picture of it takes (0.8 against 2.4 ms of one core at 720p).
    """
    deeper = frame.format.name.startswith("yuv420p1") and _has_even_sides(frame)
    return frame.reformat(format="yuv420p", **one_thread()) if deeper else frame


def _has_even_sides(frame: av.VideoFrame) -> bool:
    """Those that `wrap` knows."""
    return frame.width % 2 == frame.height % 4 == 0


def shrunk(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """`pixels`, (H, W) or (H, W, 3), at `size` (height, width)."""
    if (found := _middles(pixels.shape, size)) is None:
        return np.asarray(cv2.resize(pixels, size[::-1]), np.uint8)
    step, top, left = found
    return np.ascontiguousarray(pixels[top::step, left::step][: size[0], : size[1]])


def along_axes(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[tuple[float, float], tuple[float, float]]:
    """What `shrunk` samples, along height and width: the place of the first pixel, and how far apart they are."""
    if (found := _middles(shape, size)) is not None:
        step, top, left = found
        return (top, step), (left, step)
    down, right = shape[0] / size[0], shape[1] / size[1]
    return (down / 2 - 0.5, down), (right / 2 - 0.5, right)


def _middles(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int, int] | None:
    """A step between pixels, and the first row and column, where those in the middles are all that is needed.

    A third, a fifth and so on is made of them: OpenCV takes those as well, in twice the time.
    """
    (height, width), (rows, columns) = shape[:2], size
    step = height // rows
    beyond = max(height - rows * step, width - columns * step)
    if step % 2 == 0 or step == 1 or step != width // columns or beyond > 2 * step:
        return None
    return step, (height - (rows - 1) * step) // 2, (width - (columns - 1) * step) // 2


def to_bgr(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """(H, W, 3) u8 BGR of a frame of any format, as it lies in the file; alpha is dropped.

    swscale is exact for every matrix and range, and since FFmpeg 8 needs half the time of OpenCV's way from 4:2:0
    (0.32 against 0.62 ms of one core at 720p).
    """
    return np.asarray(frame.to_ndarray(format="bgr24", **to_bgr_from(*_colours(frame))), np.uint8)


def to_i420(image: NDArray[np.uint8], colours: tuple[int, int]) -> Plane:
    """(H * 3 / 2, W) u8 of (H, W, 3) BGR of even sides; not by PyAV, of which version 17 takes BT.2020 for BT.601."""
    if colours == BT601:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)
    y, u, v = cv2.split(cv2.transform(image, to_yuv(colours)))
    u, v = (cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for plane in (u, v))
    return np.concatenate([plane.ravel() for plane in (y, u, v)], dtype=np.uint8).reshape(-1, image.shape[1])


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


def _colours(frame: av.VideoFrame) -> tuple[int, int]:
    """What the frame says, or what is meant where it says nothing."""
    name, said = frame.format.name, frame.color_range
    full = said == _FULL_RANGE or name.startswith("yuvj") or (name.startswith("gray") and said != BT601[1])
    matrix = int(frame.colorspace)
    return matrix if matrix in _WEIGHTS else BT601[0], _FULL_RANGE if full else BT601[1]


def _view(plane: av.video.plane.VideoPlane, *, writable: bool) -> Plane:
    """The plane's bytes where they are; a decoder's are read-only, because it predicts later frames from them."""
    rows: Plane = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
    rows.setflags(write=writable)
    return rows
