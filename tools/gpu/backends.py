"""Every backend that uses a GPU against the CPU, then its times, what it moves over the bus, and what it keeps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpu.kernels import wrong_kernels
from gpu.memory import gpu_mb, process_mb
from gpu.row import Row, skipped
from streamseg.capture import open_source
from streamseg.cuda.bindings import BindingsRuntime
from streamseg.cuda.driver import PycudaRuntime, open_cuda
from streamseg.errors import BackendError, StreamsegError
from streamseg.evaluation.compare import compare, make_side
from streamseg.frame import Frame
from streamseg.infer import network_file
from streamseg.infer.backends import REFERENCE
from streamseg.infer.backends.faults import ON_NVIDIA, stepping_down
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.network import Network

MODEL, FRAMES = "lane", 10_000
LEAST_AGREEMENT = 0.99
MOST_GAINED_MB = 16.0
_RUNTIMES: tuple[Any, ...] = (PycudaRuntime, BindingsRuntime)
SETTLED = 200  # frames, after which everything has its place
BATCH, BATCHES = 4, 100


class Measured(NamedTuple):
    """One backend at work."""

    name: str
    agreement: float
    p50_ms: float
    p95_ms: float
    batch_fps: float
    bus_mb: float
    """0 where streamseg does not move the bytes itself."""
    gained_mb: float
    """On the GPU and in this process together; of the process alone where nothing tells of the GPU's."""


def probe() -> Iterator[Row]:
    """Kernels in a few cases, then rows for each backend; a model that is not here is skipped."""
    yield kernels_row()
    try:
        file = network_file(MODEL)
    except StreamsegError as error:
        yield skipped(f"backends, `{MODEL}`", error)
        return
    yield from backend_rows(file, FRAMES)


def kernels_row() -> Row:
    """What the kernels do wrongly."""
    try:
        wrong = wrong_kernels(open_cuda())
    except BackendError as error:
        return skipped("kernels", error)
    return Row("kernels", "a few cases against OpenCV and NumPy", ", ".join(wrong) or "right", "right", not wrong)


def backend_rows(file: Path, frames: int) -> Iterator[Row]:
    """Rows for each that runs, one for each that does not."""
    for name in ON_NVIDIA:
        try:
            with stepping_down(name):
                found = measure(file, name, frames)
        except StreamsegError as error:
            yield skipped(f"{name}, `{file.stem}`", error)
            continue
        what, how = f"{found.name}, `{file.stem}`", f"{frames} frames of 1280x720"
        right = found.agreement >= LEAST_AGREEMENT
        yield Row(
            f"{what}: labels alike", f"against {REFERENCE}", f"{found.agreement:.3%}", f"{LEAST_AGREEMENT:.0%}", right
        )
        yield Row(f"{what}: p50", how, f"{found.p50_ms:.2f} ms")
        yield Row(f"{what}: p95", how, f"{found.p95_ms:.2f} ms")
        yield Row(f"{what}: batches of {BATCH}", f"{BATCHES} of them", f"{found.batch_fps:.0f} frames/s")
        yield Row(f"{what}: over the bus", how, f"{found.bus_mb:.2f} MB a frame")
        kept = found.gained_mb <= MOST_GAINED_MB
        yield Row(f"{what}: memory gained", how, f"{found.gained_mb:.1f} MB", f"{MOST_GAINED_MB:g} MB", kept)


def measure(model: Path, backend: str, frames: int) -> Measured:
    """Agreement first, then times and memory.

    Raises:
        StreamsegError: it does not run here, or not this model.
    """
    with tempfile.TemporaryDirectory() as folder:
        expected, side = (make_side(model, name, Path(folder)) for name in (REFERENCE, backend))
        agreement = compare(expected, side, scene(100), 4).agreement
    opened = side.open(4)
    network = Network(load_spec(model), opened)
    some, times_ms, before_mb = list(scene(50)), [], 0.0
    with Bus() as bus:
        for index in range(frames):
            if index == min(SETTLED, frames - 1):
                before_mb = used_mb()
            started_s = time.perf_counter()
            network([some[index % len(some)]])
            times_ms.append((time.perf_counter() - started_s) * 1e3)
    gained_mb = used_mb() - before_mb
    started_s = time.perf_counter()
    for _ in range(BATCHES):
        network(some[:BATCH])
    batch_fps = BATCH * BATCHES / (time.perf_counter() - started_s)
    network.close()
    p50_ms, p95_ms = map(float, np.percentile(times_ms[min(SETTLED, frames - 1) :], (50, 95)))
    return Measured(opened.name, agreement, p50_ms, p95_ms, batch_fps, bus.moved / frames / 1e6, gained_mb)


class Bus:
    """Counts what streamseg copies to the GPU and back."""

    def __enter__(self) -> Bus:
        self.moved = 0
        self._before = [(kind, kind.upload, kind.download) for kind in _RUNTIMES]
        for kind, up, down in self._before:
            kind.upload, kind.download = self._counted(up, 1), self._counted(down, 0)
        return self

    def __exit__(self, *_: object) -> None:
        for kind, up, down in self._before:
            kind.upload, kind.download = up, down

    def _counted(self, copy: Callable[..., None], here: int) -> Callable[..., None]:
        """`copy`, whose argument number `here` is the memory of this machine."""

        def counted(cuda: Any, *arguments: Any) -> None:
            self.moved += arguments[here].nbytes
            copy(cuda, *arguments)

        return counted


def scene(frames: int) -> Iterator[Frame]:
    return iter(open_source(f"test://?frames={frames}&size=1280x720"))


def used_mb() -> float:
    """Of this process, and of the GPU where that is told."""
    return float(np.nansum((process_mb(), gpu_mb())))
