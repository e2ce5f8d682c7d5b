"""Labels that stay on the GPU behind a pass, and the overlay that is drawn with them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamseg.cuda.contract import CudaRuntime, Stream
from streamseg.cuda.kernels import Kernels
from streamseg.cuda.parts import Parts
from streamseg.dlpack import GpuPlane
from streamseg.errors import BackendError
from streamseg.gpu import GpuLabels, GpuPlanes, Tint, frame_of
from streamseg.infer.backends.tensorrt.runtime import IOTensor
from streamseg.infer.model.geometry import Fit

if TYPE_CHECKING:
    import av

_ALIGNED = 256  # bytes from row to row are a multiple of it, as encoders like them


class Overlay:
    """Belongs to one worker, and lives as long as that or any labels of it: frames are drawn behind it."""

    def __init__(self, cuda: CudaRuntime, kernels: Kernels) -> None:
        """Raises BackendError where the GPU has no room for it."""
        self._parts = Parts(cuda, self, kernels)

    def keep(self, planes: Sequence[IOTensor], place: int, fit: Fit, stream: Stream) -> GpuLabels | None:
        """A copy of the labels, and of how sure each is if that is the second of `planes`, behind what is in `stream`.

        Of the picture at `place`; None where they do not cover the whole of it.
        """
        if (fit.source.height, fit.source.width) != fit.frame:
            return None
        rows, columns = _plane(planes[0].shape)
        size, part = rows * columns, fit.seen_in((rows, columns))
        start, copies = part.y * columns + part.x, []
        for plane in planes:
            copies.append(self._parts.pool.take(size))
            self._parts.cuda.copy(copies[-1].address, plane.address + place * size, size, stream)
        labels, confidence = copies[0].address + start, copies[1].address + start if copies[1:] else 0
        return self._labels((part.height, part.width), columns, labels, confidence, copies)

    def bring(self, labels: NDArray[np.uint8], confidence: NDArray[np.uint8] | None) -> GpuLabels:
        """See `GpuLabels.bring`."""
        parts, both = self._parts, (labels,) if confidence is None else (labels, confidence)
        with parts.cuda.current():
            memory = parts.pool.take(labels.size * len(both))
            locked = parts.buffers.locked("/labels", labels.size * len(both))
            np.copyto(locked.reshape(-1, *labels.shape), both)
            parts.cuda.upload(memory.address, locked, parts.stream)
            parts.stream.synchronize()  # then that is free for the next ones
        rows, columns = labels.shape
        sure = memory.address + labels.size if both[1:] else 0
        return self._labels((rows, columns), columns, memory.address, sure, [memory])

    def _labels(
        self, size: tuple[int, int], pitch: int, labels: int, confidence: int, owners: Sequence[object]
    ) -> GpuLabels:
        gpu = self._parts.cuda.gpu.number
        return GpuLabels(size, pitch, labels, confidence, owners, self.draw, self.bring, gpu=gpu)

    def draw(self, planes: GpuPlanes, labels: GpuLabels, tint: Tint) -> av.VideoFrame:
        """See `GpuLabels.overlay`."""
        height, width, _ = planes.shape
        parts, pitch = self._parts, -(-width // _ALIGNED) * _ALIGNED
        if planes.gpu != parts.cuda.gpu.number:
            raise BackendError(f"the labels are on GPU {parts.cuda.gpu.number}, the picture on GPU {planes.gpu}")
        with parts.cuda.current():
            memory = parts.pool.take(pitch * height * 3 // 2)
            y = GpuPlane(memory.address, (height, width), pitch, memory, planes.gpu)
            uv = GpuPlane(memory.address + pitch * height, (height // 2, width), pitch, memory, planes.gpu)
            parts.stream.follow_default()  # in which FFmpeg decodes
            parts.kernels.tint(planes, labels, tint, (y.address, uv.address, pitch), parts.stream)
            parts.stream.synchronize()  # an encoder takes what is there
        return frame_of((y, uv), planes.colours, planes.gpu)


def has_bytes(plane: IOTensor) -> bool:
    """Whether it is one that can be drawn with."""
    return plane.info.dtype == np.uint8 and len(plane.shape) > 1


def _plane(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of (h, w), (N, h, w), (N, 1, h, w) or (N, h, w, 1)."""
    rows, columns = shape[1:3] if len(shape) == 4 and shape[3] == 1 else shape[-2:]
    return rows, columns
