"""Pictures on an NVIDIA GPU, as its decoder leaves them there and its encoder takes them (NV12, eight bits)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamseg.errors import SourceError

if TYPE_CHECKING:
    import av


@dataclass(frozen=True, slots=True)
class GpuPlanes:
    """One picture there."""

    shape: tuple[int, int, int]
    """Height, width, 3."""
    colours: tuple[int, int]
    y: int
    """Address of the brightness, (H, W) u8; its rows lie `y_pitch` bytes apart."""
    y_pitch: int
    uv: int
    """Address of blue and red by turns, (H / 2, W / 2, 2) u8."""
    uv_pitch: int
    owner: object
    """Keeps the memory."""


def is_on_gpu(frame: av.VideoFrame) -> bool:
    """Whether a decoded frame is still on an NVIDIA GPU."""
    return frame.format.name == "cuda"


def planes_of(frame: av.VideoFrame, colours: tuple[int, int]) -> GpuPlanes:
    """Those of a frame that is there, as NV12."""
    y, uv = frame.planes
    shape = frame.height, frame.width, 3
    return GpuPlanes(shape, colours, y.buffer_ptr, y.line_size, uv.buffer_ptr, uv.line_size, frame)


def brought_down(frame: av.VideoFrame) -> av.VideoFrame:
    """The same values on the CPU, in three planes.

    Raises:
        SourceError: the GPU does not give them.
    """
    import av

    try:
        return frame.reformat(format="yuv420p")
    except (av.error.FFmpegError, OSError):
        raise SourceError("a frame that was decoded on the GPU cannot be read from there", "--decode cpu") from None
