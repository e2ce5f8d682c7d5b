"""What has never been run without a GPU, run on one: a dated section of Markdown for docs/tensorrt.md.

    python tools/gpu_check.py [--model street] [--frames 10000] >> docs/tensorrt.md

First streamseg's kernels, through pycuda, against OpenCV and NumPy. Then every backend that uses a GPU: held against
ONNX Runtime on the CPU on the same pictures before any time counts; then its latency and throughput, the bytes that a
frame moves over the bus, and the memory it has gained after all frames. Exit code 0 where all that could be run was
right and kept its memory, 1 where not, 3 without a GPU.
"""

from __future__ import annotations

import argparse
import datetime
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamseg.capture import open_source
from streamseg.errors import BackendError
from streamseg.evaluation.compare import compare, make_side
from streamseg.frame import Frame
from streamseg.infer import find_network
from streamseg.infer.backends import BACKENDS, REFERENCE
from streamseg.infer.backends.contract import TensorInfo
from streamseg.infer.backends.tensorrt.cuda import CudaRuntime, PycudaRuntime, open_cuda
from streamseg.infer.backends.tensorrt.kernels import Kernels
from streamseg.infer.backends.tensorrt.memory import Buffers
from streamseg.infer.backends.tensorrt.runtime import Port
from streamseg.infer.catalogue import load_spec
from streamseg.infer.network import Network
from streamseg.infer.postprocess import argmax_planes
from streamseg.infer.preprocess import Preprocessor, make_fit
from streamseg.infer.spec import InputSpec

NO_GPU = 3
LEAST_AGREEMENT = 0.99
MOST_GAINED_MB = 16.0
SETTLED = 200  # frames, after which everything has its place
ON_CPU = ("ort-cpu", "openvino")


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
    """On the GPU and in this process together."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="street")
    parser.add_argument("--frames", type=int, default=10_000)
    arguments = parser.parse_args()
    gpu = query("name,driver_version,memory.total")
    if not gpu:
        print("gpu_check: no NVIDIA GPU answers here: `nvidia-smi` must list one", file=sys.stderr)
        return NO_GPU
    print(f"\n## On {gpu}, {datetime.date.today()}\n\n`{arguments.model}`, {arguments.frames} frames of 1280x720.\n")
    wrong = []
    try:
        wrong = check_kernels(open_cuda())
        print(f"Kernels against OpenCV and NumPy: {', '.join(wrong) or 'right'}.\n")
    except BackendError as error:
        print(f"The kernels were not run: {error}.\n")
    print("| backend | labels as on the CPU | p50 ms | p95 ms | frames/s, batches of 4 | bus MB/frame | gained MB |")
    print("|---|---|---|---|---|---|---|")
    refused = []
    for name in (each for each in BACKENDS if not each.startswith(ON_CPU)):
        try:
            row = measure(find_network(arguments.model), name, arguments.frames)
        except BackendError as error:
            refused.append(f"`{name}` was not run: {error}.")
            continue
        figures = f"{row.p50_ms:.2f} | {row.p95_ms:.2f} | {row.batch_fps:.0f} | {row.bus_mb:.2f} | {row.gained_mb:.1f}"
        print(f"| `{name}`: {row.name} | {row.agreement:.3%} | {figures} |", flush=True)
        if row.agreement < LEAST_AGREEMENT or row.gained_mb > MOST_GAINED_MB:
            wrong.append(name)
    print("\n" + "\n".join(refused))
    return int(bool(wrong))


def check_kernels(cuda: CudaRuntime) -> list[str]:
    """What the kernels do wrongly, in words."""
    picture = next(scene(1)).image
    labels = InputSpec(layout="NHWC", dtype="uint8", colour="bgr", fit="letterbox")
    floats = InputSpec(layout="NCHW", dtype="float16", mean=(110.0,), std=(60.0,))
    wrong = []
    for spec, most in ((labels, 1.0), (floats, 1.1 / 60)):  # OpenCV counts in eleven bits
        (expected,), _ = Preprocessor(spec)([picture], (288, 512), 1)
        away = np.abs(fitted(cuda, picture, spec, expected).astype(np.float32) - expected.astype(np.float32)).max()
        if away > most:
            wrong.append(f"fit to {spec.dtype} {spec.layout} is wrong by {away:.4f}")
    scores = np.random.default_rng(0).normal(0, 1, (2, 11, 96, 128)).astype(np.float16)
    if not np.array_equal(picked(cuda, scores), argmax_planes(scores, 1)):
        wrong.append("pick is not argmax")
    return wrong


def fitted(cuda: CudaRuntime, picture: Any, spec: InputSpec, like: Any) -> Any:
    """`picture` fitted on the GPU, of the shape and type of `like`."""
    fit = make_fit(spec.fit, picture.shape[:2], (288, 512))
    with cuda.current():
        kernels, stream, buffers = Kernels(cuda), cuda.make_stream(), Buffers(cuda)
        source, result = buffers.locked("in", picture.nbytes), buffers.locked("out", like.nbytes)
        source[:] = picture.reshape(-1)
        there, back = buffers.on_gpu("in", picture.nbytes), buffers.on_gpu("out", like.nbytes)
        cuda.upload(there, source, stream)
        kernels.fit(there, picture.shape[:2], fit, spec, back, stream)
        cuda.download(result, back, stream)
        stream.synchronize()
        found = result.view(like.dtype).reshape(like.shape).copy()
        del result, source
        buffers.free()
        del stream
    return found


def picked(cuda: CudaRuntime, scores: Any) -> Any:
    """The labels (N, h, w) u8 that the GPU picks of (N, C, h, w) `scores`."""
    n, _, height, width = scores.shape
    with cuda.current():
        kernels, stream, buffers = Kernels(cuda), cuda.make_stream(), Buffers(cuda)
        source, result = buffers.locked("in", scores.nbytes), buffers.locked("out", n * height * width)
        source[:] = scores.view(np.uint8).reshape(-1)
        port = Port(TensorInfo("in", scores.shape, scores.dtype), scores.shape, buffers.on_gpu("in", scores.nbytes))
        back = buffers.on_gpu("out", result.nbytes)
        cuda.upload(port.address, source, stream)
        kernels.pick(port, 1, back, (height, width), stream)
        cuda.download(result, back, stream)
        stream.synchronize()
        found = result.reshape(n, height, width).copy()
        del result, source
        buffers.free()
        del stream
    return found


def measure(model: Path, backend: str, frames: int) -> Measured:
    """Agreement first, then times and memory.

    Raises:
        BackendError: it does not run here.
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
        self._before = up, down = PycudaRuntime.upload, PycudaRuntime.download

        def upload(cuda: PycudaRuntime, address: Any, source: Any, stream: Any) -> None:
            self.moved += source.nbytes
            up(cuda, address, source, stream)

        def download(cuda: PycudaRuntime, target: Any, address: Any, stream: Any) -> None:
            self.moved += target.nbytes
            down(cuda, target, address, stream)

        PycudaRuntime.upload, PycudaRuntime.download = upload, download  # type: ignore[assignment, method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        PycudaRuntime.upload, PycudaRuntime.download = self._before  # type: ignore[method-assign]


def scene(frames: int) -> Iterator[Frame]:
    return iter(open_source(f"test://?frames={frames}&size=1280x720"))


def used_mb() -> float:
    """Of this process at its largest, and of the GPU."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + float(query("memory.used").split()[0])


def query(fields: str) -> str:
    """What the driver says of the first GPU; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    command = [program, f"--query-gpu={fields}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else ""


if __name__ == "__main__":
    sys.exit(main())
