"""Every backend that uses a GPU against the CPU, on a GPU: a dated section of Markdown for docs/tensorrt.md.

    python tools/gpu_check.py [--model lane] [--frames 10000] >> docs/tensorrt.md

First streamseg's kernels, against OpenCV and NumPy. Then every backend: held against ONNX Runtime on
the CPU on the same pictures before any time counts; then its latency and throughput, the bytes that a frame moves over
the bus, and the memory it has gained after all frames. Exit code 0 where all that could be run was right and kept its
memory, 1 where not, 3 without a GPU. `tools/gpu_probe.py` looks at what lies beneath.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from gpu.kernels import wrong_kernels
from gpu.memory import gpu_mb, process_mb

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
from streamseg.machine import machine_key, nvidia_driver

NO_GPU = 3
LEAST_AGREEMENT = 0.99
MOST_GAINED_MB = 16.0
_RUNTIMES: tuple[Any, ...] = (PycudaRuntime, BindingsRuntime)
SETTLED = 200  # frames, after which everything has its place


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lane")
    parser.add_argument("--frames", type=int, default=10_000)
    arguments = parser.parse_args()
    if not nvidia_driver():
        print("gpu_check: no NVIDIA driver is loaded here: `nvidia-smi` must list a GPU", file=sys.stderr)
        return NO_GPU
    try:
        file = network_file(arguments.model)
    except StreamsegError as error:
        print(f"gpu_check: {error}", file=sys.stderr)
        return error.exit_code
    print(f"\n## On {gpu_name()}, {datetime.date.today()}\n\n`{file.stem}`, {arguments.frames} frames of 1280x720.\n")
    wrong = check_kernels() + check_backends(file, arguments.frames)
    return int(bool(wrong))


def gpu_name() -> str:
    """The one that CUDA shows first, which need not be the first that `nvidia-smi` lists."""
    try:
        name = str(open_cuda().gpu)
    except BackendError:
        name = machine_key().get("gpus") or "a GPU"
    return f"{name}, {machine_key().get('driver') or 'driver not named'}"


def check_kernels() -> list[str]:
    """Says what the kernels do wrongly, and gives it."""
    try:
        wrong = wrong_kernels(open_cuda())
    except BackendError as error:
        print(f"The kernels were not run: {error}.\n")
        return []
    print(f"Kernels against OpenCV and NumPy: {', '.join(wrong) or 'right'}.\n")
    return wrong


def check_backends(file: Path, frames: int) -> list[str]:
    """A row for each that runs, a line for each that does not; gives the names of those that are wrong."""
    print("| backend | labels as on the CPU | p50 ms | p95 ms | frames/s, batches of 4 | bus MB/frame | gained MB |")
    print("|---|---|---|---|---|---|---|")
    refused, wrong = list[str](), list[str]()
    for name in ON_NVIDIA:
        try:
            with stepping_down(name):
                row = measure(file, name, frames)
        except StreamsegError as error:
            refused.append(f"`{name}` was not run: {error}.")
            continue
        figures = f"{row.p50_ms:.2f} | {row.p95_ms:.2f} | {row.batch_fps:.0f} | {row.bus_mb:.2f} | {row.gained_mb:.1f}"
        print(f"| `{name}`: {row.name} | {row.agreement:.3%} | {figures} |", flush=True)
        if row.agreement < LEAST_AGREEMENT or row.gained_mb > MOST_GAINED_MB:
            wrong.append(name)
    print("\n" + "\n".join(refused))
    return wrong


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
    for _ in range(100):
        network(some[:4])
    batch_fps = 400 / (time.perf_counter() - started_s)
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


if __name__ == "__main__":
    sys.exit(main())
