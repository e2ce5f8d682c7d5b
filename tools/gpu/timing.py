"""How long kernels and copies take, by CUDA's own clock; and what waiting for them costs a core."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np

from gpu.memory import raw_driver
from streamseg.cuda.contract import CudaRuntime
from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.cuda.memory import Buffers
from streamseg.gpu import GpuPlanes
from streamseg.infer.backends.tensorrt.runtime import IOTensor
from streamseg.infer.backends.tensorrt.tasks import launch_fit, launch_pick
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo
from streamseg.yuv import Planes

HALVES = InputSpec(layout="NCHW", dtype="float16", mean=(110.0,), std=(60.0,))
SIZES = [((256, 256), (256, 256)), ((288, 512), (288, 512)), ((720, 1280), (288, 512)), ((1080, 1920), (1024, 1024))]
COPIES_MB = (0.2, 2, 6)
SHRUNK = (1080, 1920), (270, 480)
TURNS, LAUNCHES = 100, 20
TIMED = 200  # one behind the other


def probe() -> Iterator[str]:
    """A line for each size and each way of waiting."""
    cuda = open_cuda()
    with cuda.current():
        kernels, stream, buffers = Kernels(cuda), cuda.make_stream(), Buffers(cuda)
        for frame, size in SIZES:
            yield kernel_line(cuda, kernels, stream, buffers, frame, size)
        for megabytes in COPIES_MB:
            yield copy_line(cuda, stream, buffers, round(megabytes * 1e6))
        yield small_line(cuda, kernels, stream, buffers)
        yield from wait_lines(kernels, stream, buffers)
        buffers.free()
        del kernels
        del stream


def kernel_line(cuda: CudaRuntime, kernels: Kernels, stream: Any, buffers: Buffers, frame: Any, size: Any) -> str:
    rows, columns = size
    fit = make_fit("stretch", frame, size)
    picture, out = buffers.on_gpu("picture", frame[0] * frame[1] * 3), buffers.on_gpu("out", rows * columns * 6)
    fit_us = launches_us(stream, lambda: launch_fit(kernels, picture, frame, fit, HALVES, out, stream))
    picks = []
    for classes in (2, 21):
        port = scores(buffers, classes, size)
        pick_us = launches_us(stream, lambda: launch_pick(kernels, port, 1, out, size, stream))  # noqa: B023
        picks.append(f"pick of {classes} {pick_us:.1f} us")
    return f"{frame} to {size}: fit {fit_us:.1f} us, {', '.join(picks)}"


def copy_line(cuda: CudaRuntime, stream: Any, buffers: Buffers, size_bytes: int) -> str:
    here, there = buffers.locked("copy", size_bytes), buffers.on_gpu("copy", size_bytes)
    up_us = launches_us(stream, lambda: cuda.upload(there, here, stream))
    down_us = launches_us(stream, lambda: cuda.download(here, there, stream))
    return f"{size_bytes / 1e6:.1f} MB: up {up_us:.1f} us, down {down_us:.1f} us"


def small_line(cuda: CudaRuntime, kernels: Kernels, stream: Any, buffers: Buffers) -> str:
    """The small picture that motion wants of a frame: made there, or here of all that comes down."""
    (height, width), (rows, columns) = SHRUNK
    whole, small = height * width * 3 // 2, rows * columns * 3 // 2
    there, out = buffers.on_gpu("frame", whole), buffers.on_gpu("small", small)
    planes = GpuPlanes((height, width, 3), (1, 1), there, width, there + height * width, width, ())
    locked, locked_small = buffers.locked("frame", whole), buffers.locked("small", small)
    shrink_us = launches_us(stream, lambda: kernels.shrink(planes, SHRUNK[1], out, stream))
    small_us = launches_us(stream, lambda: cuda.download(locked_small, out, stream))
    whole_us = launches_us(stream, lambda: cuda.download(locked, there, stream))
    here = Planes(av.VideoFrame.from_ndarray(np.zeros((height * 3 // 2, width), np.uint8), format="yuv420p"))
    started_s = time.perf_counter()
    for _ in range(TURNS):
        here.small(rows, columns)
    here_us = (time.perf_counter() - started_s) / TURNS * 1e6
    return (
        f"{SHRUNK[0]} to {SHRUNK[1]}: shrink {shrink_us:.1f} us and down {small_us:.1f} us; "
        f"or the frame down {whole_us:.1f} us and the CPU {here_us:.1f} us"
    )


def wait_lines(kernels: Kernels, stream: Any, buffers: Buffers) -> Iterator[str]:
    """As streamseg waits, and as CUDA does by itself."""
    size = SIZES[-1][1]
    port, out = scores(buffers, 21, size), buffers.on_gpu("out", size[0] * size[1] * 6)
    for name, wait in (("asleep", stream.synchronize), ("spinning", stream.raw.synchronize)):
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        for _ in range(TURNS):
            for _ in range(LAUNCHES):
                launch_pick(kernels, port, 1, out, size, stream)
            wait()
        cpu_ms, wall_ms = ((time.thread_time() - cpu_s) * 1e3, (time.perf_counter() - wall_s) * 1e3)
        yield f"waiting {name}: {cpu_ms / TURNS:.2f} ms of a core in {wall_ms / TURNS:.2f} ms"


def scores(buffers: Buffers, classes: int, size: tuple[int, int]) -> IOTensor:
    shape = 1, classes, *size
    info = TensorInfo("scores", shape, np.dtype("float16"))
    return IOTensor(info, shape, buffers.on_gpu("scores", classes * size[0] * size[1] * 2))


def launches_us(stream: Any, work: Callable[[], object]) -> float:
    """Of one of many."""
    work()
    stream.synchronize()
    start, end = (raw_driver().Event() for _ in range(2))
    start.record(stream.raw)
    for _ in range(TIMED):
        work()
    end.record(stream.raw)
    end.synchronize()
    return float(end.time_since(start)) * 1e3 / TIMED
