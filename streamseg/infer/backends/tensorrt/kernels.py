"""streamseg's own kernels: found compiled or compiled here, and given their tasks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.errors import BackendError
from streamseg.gpu import GpuLabels, GpuPlanes, Tint
from streamseg.infer.backends.tensorrt.cuda import Address, CudaRuntime, Stream
from streamseg.infer.backends.tensorrt.runtime import IOTensor
from streamseg.infer.model.geometry import Fit
from streamseg.infer.model.spec import InputSpec
from streamseg.yuv import from_yuv

_log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("kernels.cu")
COMPILED = SOURCE.with_suffix(".ptx")
_KINDS = {"uint8": 0, "float16": 1, "float32": 2}
_SIDES = ("pitch", "colour_pitch", "seen_width", "seen_height", "left", "top", "width", "height", "columns", "rows")
_NUMBERS = ("columns", "rows", "width", "height", "classes", "kind", "plane", "by_class", "by_row", "by_column")
FIT = np.dtype(
    [
        ("picture", "u8"), ("out", "u8"), ("colour", "u8"),
        *((name, "i4") for name in (*_SIDES, "channels", "rgb", "planar", "kind", "pad")),
        ("mean", "f4", 3), ("std", "f4", 3), ("from_yuv", "f4", 12),
    ],
    align=True,
)  # fmt: skip
"""`struct Fit` of kernels.cu."""
PICK = np.dtype(
    [
        ("scores", "u8"), ("labels", "u8"),
        *((name, "i4") for name in _NUMBERS),
    ],
    align=True,
)  # fmt: skip
"""`struct Pick` of kernels.cu."""

TINT = np.dtype(
    [
        *((name, "u8") for name in ("labels", "out", "out_colour", "confidence", "picture", "colour")),
        *((name, "i4") for name in ("pitch", "colour_pitch", "out_pitch", "out_colour_pitch", "label_pitch")),
        *((name, "i4") for name in ("width", "height", "columns", "rows", "flat")),
        ("opacity", "f4"), ("table", "u4", 256),
    ],
    align=True,
)  # fmt: skip
"""`struct Tint` of kernels.cu."""


class Kernels:
    """The kernels on one GPU; made, used and closed with its context current."""

    def __init__(self, cuda: CudaRuntime) -> None:
        """Takes what ships, which the driver compiles for its GPU, or compiles the source where the driver does not.

        Raises:
            BackendError: neither can be had.
        """
        self._cuda = cuda
        try:
            self._module: Any = cuda.load(COMPILED.read_bytes())
        except BackendError as error:
            cuda.check()  # raises where the GPU is lost: pycuda may give no reason then
            _log.info("the kernels that ship do not load on %s: %s; they are compiled here", cuda.gpu, error.message)
            self._module = cuda.load(cuda.compile(SOURCE.read_text()))

    def close(self) -> None:
        """Lets the module go, which would stay on the GPU where Python let it go at another time."""
        self._module = None

    def fit(
        self, image: Address, seen: tuple[int, int], fit: Fit, spec: InputSpec, out: Address, stream: Stream
    ) -> None:
        """Begins to bring a picture, u8 BGR of `seen` height and width, to the part of the input at `out`."""
        task = fit_task(seen, fit, spec)
        task["picture"], task["out"] = image, out
        self._cuda.launch(self._module, "fit", (fit.size[1], fit.size[0], 1), task[()], stream)

    def fit_planes(self, planes: GpuPlanes, fit: Fit, spec: InputSpec, out: Address, stream: Stream) -> None:
        """The same of a decoded frame, of which the network sees `fit.source`."""
        task = fit_planes_task(planes, fit, spec)
        task["out"] = out
        self._cuda.launch(self._module, "fit", (fit.size[1], fit.size[0], 1), task[()], stream)

    def pick(self, scores: IOTensor, axis: int, labels: Address, size: tuple[int, int], stream: Stream) -> None:
        """Begins to write labels (N, height, width) u8 of `size`; the classes of `scores` lie along `axis`, 1 or 3."""
        task = pick_task(scores.shape, axis, str(scores.info.dtype), size)
        task["scores"], task["labels"] = scores.address, labels
        self._cuda.launch(self._module, "pick", (size[1], size[0], scores.shape[0]), task[()], stream)

    def tint(
        self, planes: GpuPlanes, labels: GpuLabels, tint: Tint, out: tuple[Address, Address, int], stream: Stream
    ) -> None:
        """Begins to draw an overlay into `out`: addresses of brightness and colour, and the bytes of a row of both."""
        task = tint_task(planes, labels, tint)
        task["out"], task["out_colour"], task["out_pitch"] = out
        task["out_colour_pitch"] = out[2]
        height, width, _ = planes.shape
        self._cuda.launch(self._module, "tint", (width // 2, height // 2, 1), task[()], stream)


def fit_task(seen: tuple[int, int], fit: Fit, spec: InputSpec) -> Any:
    """A FIT without addresses, for a picture of `seen` height and width with no gaps between its rows."""
    target = fit.target
    values = {
        "pitch": seen[1] * 3,
        "seen_width": seen[1],
        "seen_height": seen[0],
        "left": target.x,
        "top": target.y,
        "width": target.width,
        "height": target.height,
        "columns": fit.size[1],
        "rows": fit.size[0],
        "channels": spec.channels,
        "rgb": spec.colour == "rgb",
        "planar": spec.layout == "NCHW",
        "kind": _KINDS[spec.dtype],
        "pad": spec.pad,
        "mean": spec.mean,
        "std": spec.std,
    }
    return _task(FIT, values)


def fit_planes_task(planes: GpuPlanes, fit: Fit, spec: InputSpec) -> Any:
    """A FIT of a decoded frame, with its addresses; only where it goes is left out."""
    seen = fit.source
    task = fit_task((seen.height, seen.width), fit, spec)
    task["picture"] = planes.y + seen.y * planes.y_pitch + seen.x
    task["colour"] = planes.uv + seen.y // 2 * planes.uv_pitch + seen.x // 2 * 2
    task["pitch"], task["colour_pitch"] = planes.y_pitch, planes.uv_pitch
    task["from_yuv"] = from_yuv(planes.colours).reshape(-1)
    return task


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
    return _task(TINT, values)


def pick_task(shape: tuple[int, ...], axis: int, dtype: str, size: tuple[int, int]) -> Any:
    """A PICK without addresses, for scores (N, C, h, w) or (N, h, w, C)."""
    classes = shape[axis]
    height, width = (side for i, side in enumerate(shape) if i not in (0, axis))
    apart = (height * width, width, 1) if axis == 1 else (1, width * classes, classes)
    values = (size[1], size[0], width, height, classes, _KINDS[dtype], classes * height * width, *apart)
    return _task(PICK, dict(zip(_NUMBERS, values, strict=True)))


def _task(kind: np.dtype[Any], values: Mapping[str, Any]) -> Any:
    """What a kernel is given; what `values` leave out is 0."""
    task = np.zeros((), kind)
    for name, value in values.items():
        task[name] = value
    return task
