"""A video frame and what is known of the stream that it comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError, printable
from streamseg.gpu import GpuPlanes
from streamseg.yuv import Plane, Planes, shrunk

Image: TypeAlias = NDArray[np.uint8]
"""A picture: (H, W, 3) u8, blue-green-red, as OpenCV has it."""
ImageLike: TypeAlias = NDArray[Any]
"""The same from a program's own code: OpenCV's types do not say that its pictures are u8, so what comes is checked."""
Pixels: TypeAlias = Image | Planes
"""A picture in either form; both have a `shape` of (H, W, 3)."""

SQUARE = Fraction(1)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture, read-only, with its place in time."""

    pixels: Pixels
    """As the source had it: an image, or the planes of a video; read-only."""
    index: int
    """Counts what the source delivered, from 0: gaps show drops."""
    time_s: float
    """Presentation time in seconds since the stream's first frame, from its own time stamps."""
    arrived_s: float
    """`time.monotonic()` at the moment it was decoded."""
    stream: str = ""
    """Name of the stream, free of secrets."""
    file: str = ""
    """The picture file that it came from, as `sub/name.png` below the folder or pattern named; "" for video."""
    page: int | None = None
    """Which picture of `file`, from 0, where that holds several."""
    pixel_aspect: Fraction = SQUARE
    """How wide a pixel is to be shown for its height (1 for most): the picture is as wide as it by so much."""

    def __post_init__(self) -> None:
        if isinstance(self.pixels, Planes):
            return
        image = self.pixels
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"a frame is (H, W, 3) uint8, not {image.shape} {image.dtype}")
        image.setflags(write=False)

    @property
    def image(self) -> Image:
        """(H, W, 3) u8 BGR, read-only; planes are converted the first time."""
        return as_image(self.pixels)

    @property
    def planes(self) -> Planes | None:
        """The planes of a video, where the source had such."""
        return self.pixels if isinstance(self.pixels, Planes) else None

    @property
    def on_gpu(self) -> GpuPlanes | None:
        """The same where it was decoded, on a GPU."""
        return self.pixels.on_gpu if isinstance(self.pixels, Planes) else None

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return int(self.pixels.shape[1])

    def small(self, height: int, width: int) -> tuple[Plane, Plane, Plane]:
        """Brightness, (height, width) u8, and blue and red against it at half of each; both sides even.

        From planes without any conversion, and then in the video's own range.
        """
        import cv2

        if isinstance(self.pixels, Planes):
            return self.pixels.small(height, width)
        image = shrunk(self.pixels, (height, width))
        rows: Plane = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)
        u, v = rows[height:].reshape(2, height // 2, width // 2)
        return rows[:height], u, v

    def __repr__(self) -> str:
        return f"Frame({self.width}x{self.height}, index={self.index}, time_s={self.time_s:.3f})"


def checked_image(image: object) -> Image:
    """`image` as a read-only view, uncopied: (H, W, 3) u8 BGR; the caller's own array stays writable.

    Raises:
        InputError: it is anything else; the hint says how to convert it.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(f"an image is a NumPy array of (H, W, 3) uint8 BGR, not {type(image).__name__}", _mend(image))
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(f"an image is (H, W, 3) uint8 BGR, not {image.shape} {image.dtype}", _mend(image))
    view: Image = np.ascontiguousarray(image).view()
    view.setflags(write=False)
    return view


_DTYPES = {
    "b": "of truths: image.astype(numpy.uint8) * 255",
    "i": "of numbers in 0..255: image.astype(numpy.uint8)",
    "u": "of numbers in 0..255: image.astype(numpy.uint8)",
    "f": "of floats in 0..255: image.astype(numpy.uint8)",
}
_OTHERS = {
    "grab": "of a cv2.VideoCapture: image.read()[1]",
    "readline": "of an open file: cv2.imdecode(numpy.frombuffer(image.read(), numpy.uint8), cv2.IMREAD_COLOR)",
    "convert": "of a PIL image: numpy.asarray(PIL.ImageOps.exif_transpose(image).convert('RGB'))[..., ::-1]",
    "detach": "of a tensor: image.detach().cpu().numpy()",
    "to_ndarray": "of a frame of PyAV: image.to_ndarray(format='bgr24')",
    "isSubmatrix": "of a cv2.UMat: image.get()",
    "isascii": "of a file's bytes: cv2.imdecode(numpy.frombuffer(image, numpy.uint8), cv2.IMREAD_COLOR)",
    "asnumpy": "of decord, whose pictures are red first: image.asnumpy()[..., ::-1]",
    "__array__": "of another library's array: numpy.asarray(image)",
}
"""By what tells that an image is another library's."""


def _mend(image: object) -> str:
    if isinstance(image, str | os.PathLike):
        return f"of a file: cv2.imread({os.fspath(image)!r})"
    if image is None:
        return "cv2.imread and VideoCapture.read give None where they fail"
    if isinstance(image, Iterator) and not hasattr(image, "readline"):
        return "of a generator: a list of images, or streamseg.open(streamseg.frames(generator, fps=25))"
    if not isinstance(image, np.ndarray):
        return _of_another_library(image)
    if not image.size:
        return "it is empty"
    if image.dtype != np.uint8:
        return _numbers(image)
    if image.ndim == 2 or image.shape[2:] == (1,):
        return "cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)"
    if image.ndim == 3 and image.shape[0] == 3:
        return "of (3, H, W) RGB: image.transpose(1, 2, 0)[..., ::-1]"
    if image.ndim == 3:
        return "cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)" if image.shape[2] == 4 else "three channels: blue, green, red"
    return "a list of images for several"


def _of_another_library(image: object) -> str:
    if hasattr(image, "convert") and str(getattr(image, "mode", "")).startswith(("I", "F")):
        return "of a PIL image of more than 8 bits: numpy.asarray(image)"  # convert('RGB') cuts them off at 255
    return next((hint for has, hint in _OTHERS.items() if hasattr(image, has)), "")


def _numbers(image: NDArray[Any]) -> str:
    if image.dtype.kind == "f" and image.max() <= 1:
        return "of floats in 0..1: (image * 255).astype(numpy.uint8)"
    if image.dtype == np.uint16 and image.max() > 255:
        return "of 16 bits: (image >> 8).astype(numpy.uint8)"
    return _DTYPES.get(image.dtype.kind, "")


def as_image(pixels: Pixels) -> Image:
    """(H, W, 3) u8 BGR, read-only where it is converted."""
    return pixels.image if isinstance(pixels, Planes) else pixels


def squared(image: Image, pixel_aspect: Fraction) -> Image:
    """`image` for a screen, whose pixels are square: made wider or narrower where its own are not."""
    if pixel_aspect == SQUARE:
        return image
    import cv2

    height, width = image.shape[:2]
    return np.asarray(cv2.resize(image, (max(1, round(width * pixel_aspect)), height)), np.uint8)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a source says of itself when it is opened; every frame may still differ in size."""

    name: str
    """For people: the file's name or the URL without its password."""
    width: int
    height: int
    fps: float | None
    """Nominal frames a second; None where the stream names none. For display and encoders, never for time."""
    live: bool
    """True: the world does not wait, the newest frame wins. False: finite, every frame counts."""
    frames: int | None = None
    """How many frames will come, where that can be told; an estimate."""
    moving: bool = True
    """False: pictures that have nothing to do with one another."""
    every: int = 1
    """How much the index grows from one frame that is delivered to the next."""
    pixel_um: float | None = None
    """Micrometres that the side of a pixel stands for; None where nobody has said."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name))  # file names may hold anything
