"""What the kernels are told about a network: how a picture goes into it, and what its scores are."""

from __future__ import annotations

from typing import Any

from streamseg.cuda.contract import Address, Stream
from streamseg.cuda.kernels import FIT, KINDS, PICK, Kernels, make_task
from streamseg.gpu import GpuPlanes
from streamseg.infer.backends.tensorrt.runtime import IOTensor
from streamseg.infer.model.geometry import Fit
from streamseg.infer.model.spec import InputSpec
from streamseg.yuv import from_yuv


def launch_fit(
    kernels: Kernels, image: Address, seen: tuple[int, int], fit: Fit, spec: InputSpec, out: Address, stream: Stream
) -> None:
    """Begins to bring a picture, u8 BGR of `seen` height and width, to the part of the input at `out`."""
    task = fit_task(seen, fit, spec)
    task["picture"], task["out"] = image, out
    kernels.launch("fit", (fit.size[1], fit.size[0], 1), task, stream)


def launch_fit_planes(
    kernels: Kernels, planes: GpuPlanes, fit: Fit, spec: InputSpec, out: Address, stream: Stream
) -> None:
    """The same of a decoded frame, of which the network sees `fit.source`."""
    task = fit_planes_task(planes, fit, spec)
    task["out"] = out
    kernels.launch("fit", (fit.size[1], fit.size[0], 1), task, stream)


def launch_pick(
    kernels: Kernels, scores: IOTensor, axis: int, labels: Address, size: tuple[int, int], stream: Stream
) -> None:
    """Begins to write labels (N, height, width) u8 of `size`; the classes of `scores` lie along `axis`, 1 or 3."""
    task = pick_task(scores.shape, axis, str(scores.info.dtype), size)
    task["scores"], task["labels"] = scores.address, labels
    kernels.launch("pick", (size[1], size[0], scores.shape[0]), task, stream)


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
        "kind": KINDS[spec.dtype],
        "pad": spec.pad,
        "mean": spec.mean,
        "std": spec.std,
    }
    return make_task(FIT, values)


def fit_planes_task(planes: GpuPlanes, fit: Fit, spec: InputSpec) -> Any:
    """A FIT of a decoded frame, with its addresses; only where it goes is left out."""
    seen = fit.source
    task = fit_task((seen.height, seen.width), fit, spec)
    task["picture"] = planes.y + seen.y * planes.y_pitch + seen.x
    task["colour"] = planes.uv + seen.y // 2 * planes.uv_pitch + seen.x // 2 * 2
    task["pitch"], task["colour_pitch"] = planes.y_pitch, planes.uv_pitch
    task["from_yuv"] = from_yuv(planes.colours).reshape(-1)
    return task


def pick_task(shape: tuple[int, ...], axis: int, dtype: str, size: tuple[int, int]) -> Any:
    """A PICK without addresses, for scores (N, C, h, w) or (N, h, w, C)."""
    classes = shape[axis]
    height, width = (side for i, side in enumerate(shape) if i not in (0, axis))
    by_class, by_row, by_column = (height * width, width, 1) if axis == 1 else (1, width * classes, classes)
    values = {
        "columns": size[1],
        "rows": size[0],
        "width": width,
        "height": height,
        "classes": classes,
        "kind": KINDS[dtype],
        "plane": classes * height * width,
        "by_class": by_class,
        "by_row": by_row,
        "by_column": by_column,
    }
    return make_task(PICK, values)
