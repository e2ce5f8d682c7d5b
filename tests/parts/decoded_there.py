"""Frames as PyAV leaves them on a GPU, of the GPU that stands in: what of them comes down is counted there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import av
import numpy as np

from streamseg.frame import Frame
from streamseg.infer.backends.tensorrt.driver import open_cuda
from streamseg.yuv import Planes

ROWS = 256
"""Rows lie so many bytes apart, or a multiple of it."""


class DecodedThere:
    """What is looked at of a `VideoFrame` that is on a GPU; in memory of `gpu`, until it is closed.

    Where `later`, what is in it is put there by work that waits in the default stream, as a decoder's does.
    """

    def __init__(self, gpu: Any, frame: av.VideoFrame, *, later: bool = False) -> None:
        self._gpu, self._cuda = gpu, open_cuda()
        self.width, self.height = frame.width, frame.height
        self.format, self.sw_format = SimpleNamespace(name="cuda"), SimpleNamespace(name="nv12")
        self.colorspace, self.color_range = frame.colorspace, frame.color_range
        self._pitch = -(-frame.width // ROWS) * ROWS
        below = 8  # rows between the planes, as of a picture whose last blocks are not shown
        self._size = self._pitch * (frame.height * 3 // 2 + below)
        with self._cuda.current():
            self._address = self._cuda.allocate(self._size)
        rows = np.zeros((frame.height * 3 // 2 + below, self._pitch), np.uint8)
        packed = frame.reformat(format="nv12").to_ndarray()
        rows[: frame.height, : frame.width] = packed[: frame.height]
        rows[frame.height + below :, : frame.width] = packed[frame.height :]
        if later:
            gpu.default.waiting.append(lambda: self._put(rows))
        else:
            self._put(rows)
        starts = self._address, self._address + self._pitch * (frame.height + below)
        self.planes = tuple(SimpleNamespace(buffer_ptr=start, line_size=self._pitch) for start in starts)

    def reformat(self, format: str) -> av.VideoFrame:
        """Comes down."""
        self._gpu.downloaded_bytes += self.width * self.height * 3 // 2
        starts = [plane.buffer_ptr for plane in self.planes]
        parts = [self._rows(starts[0], self.height), self._rows(starts[1], self.height // 2)]
        frame = av.VideoFrame.from_ndarray(np.concatenate(parts), format="nv12")
        frame.colorspace, frame.color_range = self.colorspace, self.color_range
        return frame.reformat(format=format)

    def close(self) -> None:
        """Gives its memory back."""
        with self._cuda.current():
            self._cuda.free(self._address)

    def _put(self, rows: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        self._gpu.view(self._address, self._size)[:] = rows.reshape(-1)

    def _rows(self, start: int, count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        flat = np.array(self._gpu.view(start, (count - 1) * self._pitch + self.width))
        return np.stack([flat[i * self._pitch :][: self.width] for i in range(count)])


def both(gpu: Any, frame: av.VideoFrame, index: int = 0, *, later: bool = False) -> tuple[Frame, Frame, DecodedThere]:
    """The same frame as the CPU's decoder gives it and on the GPU, and what is to be closed."""
    there: Any = DecodedThere(gpu, frame, later=later)
    return Frame(Planes(frame), index, 0.0, 0.0), Frame(Planes(there), index, 0.0, 0.0), there
