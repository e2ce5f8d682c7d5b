"""Motion between frames that are on a GPU, found and followed there: what `flow` does on the CPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels, make_task
from streamseg.cuda.memory import Lent
from streamseg.cuda.motion_tasks import FOLLOW, GREY, LOOK, SEARCH
from streamseg.cuda.parts import Parts
from streamseg.frame import Frame
from streamseg.gpu import GpuPlanes
from streamseg.motion import blocks, flow

_ROOM = 56  # bytes for each pixel that a search needs for what it finds on the way
_TALLEST = 8 + 6 * 127  # pixels: a block of threads has that many rows of patches
_ONE_BLOCK = 32, 8, 1  # threads, which wait for each other
_ZEROS = 16  # bytes
_COMPARED = 8  # frames of which it is kept how their pixels look: the one that is matched, and those of masks
_UNSEEN = 4  # frames that may wait to be made small: each of them keeps a picture of the decoder
Shape = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class GpuLook:
    """What is kept of a frame."""

    index: int
    time_s: float
    frame: Shape
    """Height, width of the frame, px."""
    small: Lent
    """Brightness at `size`, (h, w) u8, then blue and red at half of each."""
    size: Shape
    greys: dict[Shape, Lent] = field(default_factory=dict)
    """Brightness as a search sees it, by size."""
    looks: dict[Shape, Lent] = field(default_factory=dict)
    """(3, h, w) u8 by size: softened brightness, blue and red as votes compare them."""


class GpuFlow(NamedTuple):
    """A flow of that height and width: (h, w, 2) f32, and behind it 1 where it leads anywhere, 0 across a cut."""

    memory: Lent
    shape: Shape
    moves: bool = True
    """Else nothing in it does, and nothing is in its memory."""


class Work:
    """What one stream does on a GPU, in order; belongs to one thread, and all is done with the context current."""

    def __init__(self, gpu: int) -> None:
        """Raises BackendError: there is no such GPU, or it has no room."""
        self.parts = Parts(open_cuda(gpu), self)
        self._decoded: list[GpuPlanes] = []
        self._compared: list[GpuLook] = []
        with self.parts.cuda.current():
            self.kernels = Kernels(self.parts.cuda, "motion")
            self.zeros, none = self.take(_ZEROS), self.parts.buffers.locked("/zeros", _ZEROS)
            none[:] = 0
            self.parts.cuda.upload(self.zeros.address, none, self.parts.stream)

    @property
    def gpu(self) -> int:
        """Its number, as CUDA counts."""
        return self.parts.cuda.gpu.number

    def take(self, size_bytes: int) -> Lent:
        """Memory there, with anything in it."""
        return self.parts.pool.take(size_bytes)

    def launch(self, kernel: str, threads: tuple[int, int, int], kind: np.dtype[Any], **values: Any) -> None:
        """Begins a kernel with a task of that kind."""
        self.kernels.launch(kernel, threads, make_task(kind, values), self.parts.stream)

    def clear(self, memory: Lent, size_bytes: int) -> None:
        """Its first bytes, few, become 0."""
        self.parts.cuda.copy(memory.address, self.zeros.address, size_bytes, self.parts.stream)

    def download(self, address: int, size_bytes: int) -> NDArray[np.uint8]:
        """So many bytes, once all before is done; the caller's own."""
        locked = self.parts.buffers.locked("/down", size_bytes)
        self.parts.cuda.download(locked, address, self.parts.stream)
        self.finish()
        return np.array(locked, np.uint8)

    def finish(self) -> None:
        """Sleeps until all is done; pictures of the decoder may go then."""
        self.parts.stream.synchronize()
        self._decoded.clear()

    def look_at(self, frame: Frame, planes: GpuPlanes) -> GpuLook:
        """A frame, which is there, small."""
        if len(self._decoded) == _UNSEEN:
            self.finish()
        height, width = flow.small_size(frame)
        small = self.take(height * width * 3 // 2)
        self.parts.stream.follow_default()  # in which FFmpeg decodes
        self.parts.kernels.shrink(planes, (height, width), small.address, self.parts.stream)
        self._decoded.append(planes)
        return GpuLook(frame.index, frame.time_s, (frame.height, frame.width), small, (height, width))

    def looks(self, look: GpuLook, shape: Shape) -> Lent:
        """How the pixels of a frame look at that size; kept of the frames that were asked for last."""
        self._compared = [*(each for each in self._compared if each is not look), look]
        if len(self._compared) > _COMPARED:
            self._compared.pop(0).looks.clear()
        if shape not in look.looks:
            out = self.take(3 * shape[0] * shape[1])
            (height, width), (rows, columns) = look.size, shape
            self.launch(
                "look", (columns, rows, 1), LOOK,
                small=look.small.address, out=out.address, width=width, height=height, columns=columns, rows=rows,
            )  # fmt: skip
            look.looks[shape] = out
        return look.looks[shape]


def takes(frame: Frame, area: int) -> bool:
    """Whether a frame has as many pixels as motion is searched in there, some `area`."""
    (height, width), (rows, columns) = flow.small_size(frame), flow.flow_shape((frame.height, frame.width), area)
    return rows <= min(height, _TALLEST) and columns <= width


class GpuSearch:
    """See `flow.Search`: the same, kernel by kernel, of frames that were looked at by `work`."""

    def __init__(
        self, work: Work, area: int, *, again: bool = False, blocks: bool = False, coarse: bool = False
    ) -> None:
        self._work, self._area = work, area
        self._how = {"again": again, "blocks": blocks, "finest": coarse}

    def shape(self, look: GpuLook) -> Shape:
        """Height and width of the flow."""
        return flow.flow_shape(look.frame, self._area)

    def __call__(self, now: GpuLook, then: GpuLook, like: GpuFlow | None = None) -> GpuFlow:
        """From pixels of `now` to where they are in `then`; begins with a flow `like` this one."""
        return self._searched(now, then, start=like.memory.address if like else 0)

    def mended(self, now: GpuLook, then: GpuLook, way: GpuFlow) -> GpuFlow:
        """`way`, searched once more all at once where it lost what moves."""
        return self._searched(now, then, way=way.memory.address) if self._how["again"] else way

    def still(self, shape: Shape) -> GpuFlow:
        """A flow of that height and width, of what does not move."""
        return GpuFlow(self._work.zeros, shape, moves=False)

    def followed(self, first: GpuFlow, second: GpuFlow) -> GpuFlow:
        """The flow that follows `first`, then from there `second`."""
        return self._followed(first, first.shape, second=second) if second.moves else first

    def turned(self, flow: GpuFlow) -> GpuFlow:
        """The flow back."""
        return self._followed(flow, flow.shape, back=True)

    def fitted(self, flow: GpuFlow, shape: Shape) -> GpuFlow:
        """The same motion between pictures of that height and width."""
        if flow.shape == shape:
            return flow
        return self._followed(flow, shape) if flow.moves else self.still(shape)

    def _searched(self, now: GpuLook, then: GpuLook, **begin: int) -> GpuFlow:
        rows, columns = shape = self.shape(now)
        out = self._work.take(_flow_bytes(shape))
        room = self._work.take(_ROOM * rows * columns)
        self._work.launch(
            "search", _ONE_BLOCK, SEARCH,
            here=self._grey(now).address, there=self._grey(then).address, flow=out.address, room=room.address,
            columns=columns, rows=rows,
            lost=round(flow.LOST * flow.AROUND), closer=int(flow.CLOSER * flow.AROUND),
            noise=flow.NOISE, cut=flow.CUT, lost_block=blocks.LOST, **begin, **self._how,
        )  # fmt: skip
        return GpuFlow(out, shape)

    def _followed(self, first: GpuFlow, shape: Shape, *, second: GpuFlow | None = None, back: bool = False) -> GpuFlow:
        out = self._work.take(_flow_bytes(shape))
        other = second or first
        self._work.launch(
            "follow", (shape[1], shape[0], 1), FOLLOW,
            first=first.memory.address, second=second.memory.address if second else 0, out=out.address,
            first_columns=first.shape[1], first_rows=first.shape[0],
            second_columns=other.shape[1], second_rows=other.shape[0],
            columns=shape[1], rows=shape[0], back=back,
        )  # fmt: skip
        return GpuFlow(out, shape)

    def _grey(self, look: GpuLook) -> Lent:
        """Its brightness at the size of the flow."""
        rows, columns = shape = self.shape(look)
        if shape not in look.greys:
            (height, width), out = look.size, self._work.take(rows * columns)
            self._work.launch(
                "grey", (columns, rows, 1), GREY,
                picture=look.small.address, out=out.address, width=width, height=height,
                columns=columns, rows=rows, halved=height // 2 >= rows,
            )  # fmt: skip
            look.greys[shape] = out
        return look.greys[shape]


def _flow_bytes(shape: Shape) -> int:
    return (shape[0] * shape[1] * 2 + 1) * 4
