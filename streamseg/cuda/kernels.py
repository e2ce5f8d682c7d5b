"""streamseg's own kernels: found compiled or compiled here, and the tasks that they take."""

from __future__ import annotations

import contextlib
import logging
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.cuda.contract import Address, CudaRuntime, Stream
from streamseg.errors import BackendError
from streamseg.gpu import GpuLabels, GpuPlanes, Tint
from streamseg.yuv import along_axes

_log = logging.getLogger(__name__)

SOURCES = {"kernels": ("common", "kernels"), "motion": ("common", "flows", "patches", "search", "looks", "vote")}
"""By module, what it is compiled of, one file behind the other."""
KINDS = {"uint8": 0, "float16": 1, "float32": 2}
"""Of numbers, as the kernels count them."""


def struct(addresses: str, numbers: str, *more: tuple[Any, ...]) -> np.dtype[Any]:
    """What a kernel takes, laid out as C does it: names of addresses (u8), then of numbers (i4), then other fields."""
    named = [(name, kind) for names, kind in ((addresses, "u8"), (numbers, "i4")) for name in names.split()]
    return np.dtype([*named, *more], align=True)


FIT = struct(
    "picture out colour",
    "pitch colour_pitch seen_width seen_height left top width height columns rows channels rgb planar kind pad",
    ("mean", "f4", 3), ("std", "f4", 3), ("from_yuv", "f4", 12),
)  # fmt: skip
"""`struct Fit` of kernels.cu."""
PICK = struct("scores labels", "columns rows width height classes kind plane by_class by_row by_column")
"""`struct Pick` of kernels.cu."""
TINT = struct(
    "labels out out_colour confidence picture colour",
    "pitch colour_pitch out_pitch out_colour_pitch label_pitch width height columns rows flat",
    ("opacity", "f4"), ("table", "u4", 256),
)  # fmt: skip
"""`struct Tint` of kernels.cu."""
SHRINK = struct(
    "picture colour out", "pitch colour_pitch width height columns rows", ("start", "f4", 4), ("step", "f4", 4)
)
"""`struct Shrink` of kernels.cu."""


def compiled(module: str) -> Path:
    """What ships of it."""
    return Path(__file__).with_name(f"{module}.ptx")


def source(*modules: str) -> str:
    """CUDA C++ of modules; a compiler names the file that it finds something wrong in."""
    names = dict.fromkeys(name for module in modules for name in SOURCES[module])
    files = [Path(__file__).with_name(f"{name}.cu") for name in names]
    return "".join(f'#line 1 "{file.name}"\n{file.read_text()}' for file in files)


class Kernels:
    """The kernels on one GPU, launched by any thread while its context is current; they go when they are forgotten."""

    def __init__(self, cuda: CudaRuntime, module: str = "kernels") -> None:
        """Takes what ships, which the driver compiles for its GPU, or compiles the source where the driver does not.

        Raises:
            BackendError: neither can be had.
        """
        self._cuda = cuda
        try:
            loaded = cuda.load(compiled(module).read_bytes())
        except BackendError as error:
            cuda.check()  # raises where the GPU is lost: pycuda may give no reason then
            _log.info("the kernels that ship do not load on %s: %s; they are compiled here", cuda.gpu, error.message)
            loaded = cuda.load(cuda.compile(source(module)))
        self._held: list[Any] = [loaded]
        del loaded
        weakref.finalize(self, _let_go, cuda, self._held).atexit = False

    def launch(self, kernel: str, threads: tuple[int, int, int], task: Any, stream: Stream) -> None:
        """Begins one with at least so many threads (x, y, z); `task` is of its type, with all addresses."""
        self._cuda.launch(self._held[0], kernel, threads, task[()], stream)

    def tint(
        self, planes: GpuPlanes, labels: GpuLabels, tint: Tint, out: tuple[Address, Address, int], stream: Stream
    ) -> None:
        """Begins to draw an overlay into `out`: addresses of brightness and colour, and the bytes of a row of both."""
        task = tint_task(planes, labels, tint)
        task["out"], task["out_colour"], task["out_pitch"] = out
        task["out_colour_pitch"] = out[2]
        height, width, _ = planes.shape
        self.launch("tint", (width // 2, height // 2, 1), task, stream)

    def shrink(self, planes: GpuPlanes, size: tuple[int, int], out: Address, stream: Stream) -> None:
        """Begins to make a picture small, of even height and width `size`, as `Planes.small` does on the CPU.

        At `out` brightness, (height, width) u8, is followed by blue and red, at half of each.
        """
        task = shrink_task(planes, size)
        task["out"] = out
        self.launch("shrink", (size[1], size[0], 1), task, stream)


def tint_task(planes: GpuPlanes, labels: GpuLabels, tint: Tint) -> Any:
    """A TINT without what it writes to."""
    bytes_of = np.column_stack([tint.table, tint.drawn]).astype(np.uint32)
    values = {
        "labels": labels.labels,
        "confidence": labels.confidence if tint.flat is not None else 0,
        "label_pitch": labels.pitch,
        "rows": labels.size[0],
        "columns": labels.size[1],
        "picture": planes.y,
        "pitch": planes.y_pitch,
        "colour": planes.uv,
        "colour_pitch": planes.uv_pitch,
        "height": planes.shape[0],
        "width": planes.shape[1],
        "flat": -1 if tint.flat is None else tint.flat,
        "opacity": tint.opacity,
        "table": bytes_of @ np.array([1, 1 << 8, 1 << 16, 1 << 24], np.uint32),
    }
    return make_task(TINT, values)


def _let_go(cuda: CudaRuntime, held: list[Any]) -> None:
    """Of a module that Python let go without the context it would stay on the GPU."""
    with contextlib.suppress(BackendError), cuda.current():
        held.clear()


def shrink_task(planes: GpuPlanes, size: tuple[int, int]) -> Any:
    """A SHRINK without what it writes to."""
    (height, width, _), (rows, columns) = planes.shape, size
    along = [
        *along_axes((height, width), size)[::-1],
        *along_axes((height // 2, width // 2), (rows // 2, columns // 2))[::-1],
    ]
    values = {
        "picture": planes.y,
        "pitch": planes.y_pitch,
        "colour": planes.uv,
        "colour_pitch": planes.uv_pitch,
        "height": height,
        "width": width,
        "rows": rows,
        "columns": columns,
        "start": [start for start, _ in along],
        "step": [step for _, step in along],
    }
    return make_task(SHRINK, values)


def make_task(kind: np.dtype[Any], values: Mapping[str, Any]) -> Any:
    """A task of that type; what `values` leave out is 0."""
    task = np.zeros((), kind)
    for name, value in values.items():
        task[name] = value
    return task
