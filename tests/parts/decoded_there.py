"""Frames as PyAV leaves them on a GPU, of the GPU that stands in: what of them comes down is counted there."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import av
import numpy as np

from streamseg.cuda.driver import open_cuda
from streamseg.dlpack import GpuPlane
from streamseg.frame import Frame
from streamseg.yuv import Planes

ROWS = 256
"""Rows lie so many bytes apart, or a multiple of it."""


class _Plane:
    """What is looked at of a `VideoPlane`."""

    def __init__(self, plane: GpuPlane) -> None:
        self.buffer_ptr, self.line_size, self.__dlpack_device__ = plane.address, plane.pitch, plane.__dlpack_device__


class There:
    """What is looked at of a `VideoFrame` that is on a GPU."""

    def __init__(self, gpu: Any, planes: Sequence[GpuPlane], colours: tuple[int, int]) -> None:
        self._gpu, self._kept = gpu, planes
        self.height, self.width = planes[0].size
        self.format, self.sw_format = SimpleNamespace(name="cuda"), SimpleNamespace(name="nv12")
        self.colorspace, self.color_range = colours
        self.planes = tuple(_Plane(each) for each in planes)

    def reformat(self, format: str) -> av.VideoFrame:
        """Comes down."""
        self._gpu.downloaded_bytes += self.width * self.height * 3 // 2
        frame = av.VideoFrame.from_ndarray(np.concatenate([self._rows(each) for each in self._kept]), format="nv12")
        frame.colorspace, frame.color_range = self.colorspace, self.color_range
        return frame.reformat(format=format)

    def _rows(self, plane: GpuPlane) -> np.ndarray[Any, np.dtype[np.uint8]]:
        (rows, columns), pitch = plane.size, plane.pitch
        flat = np.array(self._gpu.view(plane.address, (rows - 1) * pitch + columns))
        return np.stack([flat[i * pitch :][:columns] for i in range(rows)])


class DecodedThere(There):
    """The same as a decoder leaves it, in memory of `gpu` until it is closed.

    Where `later`, what is in it is put there by work that waits in the default stream, as a decoder's does. Where there
    is no GPU of that `number`, it says so all the same, and is on the first.
    """

    def __init__(self, gpu: Any, frame: av.VideoFrame, *, later: bool = False, number: int = 0) -> None:
        self._cuda = open_cuda(number if number < gpu.count else 0)
        height, width, pitch = frame.height, frame.width, -(-frame.width // ROWS) * ROWS
        below = 8  # rows between the planes, as of a picture whose last blocks are not shown
        rows = np.zeros((height * 3 // 2 + below, pitch), np.uint8)
        with self._cuda.current():
            self._address = self._cuda.allocate(rows.size)
        uv = self._address + pitch * (height + below)
        sizes = (self._address, (height, width)), (uv, (height // 2, width))
        planes = [GpuPlane(address, size, pitch, None, number) for address, size in sizes]
        super().__init__(gpu, planes, (int(frame.colorspace), int(frame.color_range)))
        packed = frame.reformat(format="nv12").to_ndarray()
        rows[:height, :width] = packed[:height]
        rows[height + below :, :width] = packed[height:]

        def put() -> None:
            gpu.view(self._address, rows.size)[:] = rows.reshape(-1)

        if later:
            gpu.default.waiting.append(put)
        else:
            put()

    def close(self) -> None:
        """Gives its memory back."""
        with self._cuda.current():
            self._cuda.free(self._address)


def both(gpu: Any, frame: av.VideoFrame, index: int = 0, *, later: bool = False) -> tuple[Frame, Frame, DecodedThere]:
    """The same frame as the CPU's decoder gives it and on the GPU, and what is to be closed."""
    there: Any = DecodedThere(gpu, frame, later=later)
    return Frame(Planes(frame), index, 0.0, 0.0), Frame(Planes(there), index, 0.0, 0.0), there
