"""A video frame and what is known of the stream that it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import printable
from streamseg.planes import Plane, Planes

Image: TypeAlias = NDArray[np.uint8]
"""A picture: (H, W, 3) u8, blue-green-red, as OpenCV has it."""
Pixels: TypeAlias = Image | Planes
"""A picture in either form; both have a `shape` of (H, W, 3)."""

MAX_MEGAPIXELS = 64.0
"""The largest picture that is let in, unless somebody says otherwise."""


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

        pixels, half = self.pixels, (width // 2, height // 2)
        if isinstance(pixels, Planes):
            sizes = (pixels.y, (width, height)), (pixels.u, half), (pixels.v, half)
            y, u, v = (np.asarray(cv2.resize(plane, size), np.uint8) for plane, size in sizes)
            return y, u, v
        rows: Plane = np.asarray(cv2.cvtColor(cv2.resize(pixels, (width, height)), cv2.COLOR_BGR2YUV_I420), np.uint8)
        u, v = rows[height:].reshape(2, *half[::-1])
        return rows[:height], u, v

    def __repr__(self) -> str:
        return f"Frame({self.width}x{self.height}, index={self.index}, time_s={self.time_s:.3f})"


def as_image(pixels: Pixels) -> Image:
    """(H, W, 3) u8 BGR, read-only where it is converted."""
    return pixels.image if isinstance(pixels, Planes) else pixels


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name))  # file names may hold anything
