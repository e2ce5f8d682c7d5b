"""A video frame and what is known of the stream that it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""A picture: (H, W, 3) u8, blue-green-red, as OpenCV has it."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture, read-only, with its place in time."""

    image: Image
    """(H, W, 3) u8 BGR, read-only."""
    index: int
    """Counts what the source delivered, from 0: gaps show drops."""
    time_s: float
    """Presentation time in seconds since the stream's first frame, from its own time stamps."""
    arrived_s: float
    """`time.monotonic()` at the moment it was decoded."""
    stream: str = ""
    """Name of the stream, free of secrets."""

    def __post_init__(self) -> None:
        image = self.image
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"a frame is (H, W, 3) uint8, not {image.shape} {image.dtype}")
        image.setflags(write=False)

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return int(self.image.shape[1])

    def __repr__(self) -> str:
        return f"Frame({self.width}x{self.height}, index={self.index}, time_s={self.time_s:.3f})"


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
