"""How long kernels and copies take, by CUDA's own clock; and what waiting for them costs a core."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np

from gpu.memory import raw_driver
from gpu.row import Row
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
CLOCK = "CUDA's clock, many in a row"


def probe() -> Iterator[Row]:
    """Rows for each size and each way of waiting."""
    cuda = open_cuda()
    with cuda.current():
        kernels, stream, buffers = Kernels(cuda), cuda.make_stream(), Buffers(cuda)
        for frame, size in SIZES:
            yield from kernel_rows(kernels, stream, buffers, frame, size)
        for megabytes in COPIES_MB:
            yield from copy_rows(cuda, stream, buffers, round(megabytes * 1e6))
        yield small_row(cuda, kernels, stream, buffers)
        yield from wait_rows(kernels, stream, buffers)
        buffers.free()
        del kernels
        del stream


def kernel_rows(kernels: Kernels, stream: Any, buffers: Buffers, frame: Any, size: Any) -> Iterator[Row]:
    rows, columns = size
    fit = make_fit("stretch", frame, size)
    picture, out = buffers.on_gpu("picture", frame[0] * frame[1] * 3), buffers.on_gpu("out", rows * columns * 6)
    fit_us = launches_us(stream, lambda: launch_fit(kernels, picture, frame, fit, HALVES, out, stream))
    yield Row(f"fit, {called(frame)} to {called(size)}", CLOCK, f"{fit_us:.1f} us")
    for classes in (2, 21):
        port = scores(buffers, classes, size)
        pick_us = launches_us(stream, lambda: launch_pick(kernels, port, 1, out, size, stream))  # noqa: B023
        yield Row(f"pick of {classes} classes, {called(size)}", CLOCK, f"{pick_us:.1f} us")


def copy_rows(cuda: CudaRuntime, stream: Any, buffers: Buffers, size_bytes: int) -> Iterator[Row]:
    here, there = buffers.locked("copy", size_bytes), buffers.on_gpu("copy", size_bytes)
    up_us = launches_us(stream, lambda: cuda.upload(there, here, stream))
    down_us = launches_us(stream, lambda: cuda.download(here, there, stream))
    for way, us in (("up", up_us), ("down", down_us)):
        yield Row(f"{size_bytes / 1e6:.1f} MB {way}", CLOCK, f"{us:.1f} us")


def small_row(cuda: CudaRuntime, kernels: Kernels, stream: Any, buffers: Buffers) -> Row:
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
    what = f"shrink, {called(SHRUNK[0])} to {called(SHRUNK[1])}, and down"
    figure = f"{shrink_us:.1f} + {small_us:.1f} us"
    bound = f"the frame down and the CPU: {whole_us:.1f} + {here_us:.1f} us"
    return Row(what, CLOCK, figure, bound, shrink_us + small_us < whole_us + here_us)


def wait_rows(kernels: Kernels, stream: Any, buffers: Buffers) -> Iterator[Row]:
    """As streamseg waits, and as CUDA does by itself."""
    size = SIZES[-1][1]
    port, out = scores(buffers, 21, size), buffers.on_gpu("out", size[0] * size[1] * 6)
    spun_ms = 0.0
    for name, wait in (("spinning", stream.raw.synchronize), ("asleep", stream.synchronize)):
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        for _ in range(TURNS):
            for _ in range(LAUNCHES):
                launch_pick(kernels, port, 1, out, size, stream)
            wait()
        cpu_ms, wall_ms = ((each * 1e3 / TURNS) for each in (time.thread_time() - cpu_s, time.perf_counter() - wall_s))
        row = Row(
            f"waiting {name}", f"{TURNS} times for {LAUNCHES} kernels", f"{cpu_ms:.2f} ms of a core in {wall_ms:.2f} ms"
        )
        yield row._replace(bound=f"spinning: {spun_ms:.2f} ms", passed=cpu_ms < spun_ms) if spun_ms else row
        spun_ms = cpu_ms


def called(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


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
