"""Pictures on an NVIDIA GPU, as its decoder leaves them there and its encoder takes them (NV12, eight bits)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import SourceError

if TYPE_CHECKING:
    import av
    from av.video.frame import CudaContext


Plane = NDArray[np.uint8]


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
    planes: Sequence[object]
    """Both as others take them, by DLPack; they keep the memory."""
    gpu: int = 0
    """Its number, as CUDA counts."""
    small: MakeSmall | None = None
    """What makes it small there."""


MakeSmall: TypeAlias = Callable[[GpuPlanes, int, int], "tuple[Plane, Plane, Plane] | None"]
"""See `Planes.small`; of planes, height and width, by any thread. None where the GPU does not do it."""


class Tint(NamedTuple):
    """How an overlay looks."""

    table: NDArray[np.uint8]
    """(256, 3) u8: brightness, blue and red of each class."""
    drawn: NDArray[np.uint8]
    """(256,) u8: 255 for classes that are drawn, else 0."""
    flat: int | None
    """The one class that is drawn, where there are two; its border is as smooth as the confidence says."""
    opacity: float


@dataclass(frozen=True, slots=True, eq=False)
class GpuLabels:
    """Labels on the GPU that found them, (rows, columns) u8 over a whole frame, and what draws them there."""

    size: tuple[int, int]
    """Rows, columns."""
    pitch: int
    """Bytes from row to row."""
    labels: int
    """Their address."""
    confidence: int
    """Of how sure each is, laid out like them; 0 where nothing is known."""
    owners: Sequence[object]
    """Keep the memory."""
    overlay: Callable[[GpuPlanes, GpuLabels, Tint], Any]
    """Gives an `av.VideoFrame` on the GPU: the picture under the classes' colours. Called by one thread at a time.

    Raises BackendError where the GPU fails, or is another one than the picture's.
    """
    bring: Callable[[NDArray[np.uint8], NDArray[np.uint8] | None], GpuLabels]
    """Gives others there, of labels and confidence, (h, w) u8. Called by that thread as well.

    Raises BackendError where the GPU fails.
    """
    came_down: tuple[NDArray[np.uint8], NDArray[np.uint8] | None] | None = None
    """The same, as the CPU has them."""
    gpu: int = 0
    """Its number, as CUDA counts."""

    def as_of(self, labels: NDArray[np.uint8], confidence: NDArray[np.uint8] | None, tint: Tint) -> GpuLabels:
        """Those of the CPU: as they are where they came down as that, else brought there, a byte each.

        So is confidence, where the overlay looks at it.
        """
        soft, known = tint.flat is not None, self.came_down
        if known is not None and _same(known[0], labels) and (not soft or _same(known[1], confidence)):
            return self
        return self.bring(labels, confidence if soft else None)

    def holding(self, labels: NDArray[np.uint8], confidence: NDArray[np.uint8] | None) -> GpuLabels:
        """The same, with all that is known of them: where one that is known here is not there, both are brought."""
        known = self.came_down
        if known is not None and _same(known[0], labels) and _same(known[1], confidence):
            return self
        return self.bring(labels, confidence)


def _same(one: NDArray[np.uint8] | None, other: NDArray[np.uint8] | None) -> bool:
    """Whether they are one array, or views of one."""
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and np.may_share_memory(one, other)


def is_on_gpu(frame: av.VideoFrame) -> bool:
    """Whether a frame is on an NVIDIA GPU."""
    return frame.format.name == "cuda"


def planes_of(frame: av.VideoFrame, colours: tuple[int, int], small: MakeSmall | None = None) -> GpuPlanes:
    """Those of a frame that is there, as NV12, and what makes it small there."""
    y, uv = frame.planes
    shape, (_, gpu) = (frame.height, frame.width, 3), y.__dlpack_device__()
    return GpuPlanes(shape, colours, y.buffer_ptr, y.line_size, uv.buffer_ptr, uv.line_size, frame.planes, gpu, small)


def frame_of(planes: Sequence[object], colours: tuple[int, int], gpu: int) -> av.VideoFrame:
    """A frame of the caller's own around brightness, and blue and red, that are there; for an encoder."""
    import av

    frame = av.VideoFrame.from_dlpack(tuple(planes), format="nv12", primary_ctx=True, cuda_context=_context(gpu))
    frame.colorspace, frame.color_range = colours
    return frame


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


@functools.cache
def _context(gpu: int) -> CudaContext:
    """One for all frames: FFmpeg keeps what it knows of each size in it."""
    from av.video.frame import CudaContext

    return CudaContext(gpu, primary_ctx=True)
