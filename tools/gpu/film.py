"""A film decoded, looked at, drawn and encoded on the GPU, against the same with the CPU decoding."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gpu.backends import Bus
from gpu.row import Row, skipped
from streamseg.assembly import assemble
from streamseg.config import make_options
from streamseg.errors import StreamsegError
from streamseg.infer import network_file
from streamseg.infer.backends import openers
from streamseg.sinks.codecs import ENCODINGS

MODEL, FRAMES = "street", 300
BACKENDS = ("tensorrt", "tensorrt-rtx")
MOST_BUS_MB = 0.65  # labels twice, and how sure each is, 0.44; 0.49 more of up to 100 masks that the CPU makes too


class Measured(NamedTuple):
    """One run."""

    fps: float
    core_ms: float
    """Of the processor, a frame."""
    bus_mb: float
    """Moved by streamseg, a frame."""


def probe() -> Iterator[Row]:
    """Rows for each backend that runs here, and each codec."""
    for backend in BACKENDS:
        what = f"film through {backend}"
        try:
            openers(network_file(MODEL), 1, backend)[backend]().close()  # builds the engine as well
        except StreamsegError as error:
            yield skipped(what, error)
            continue
        with tempfile.TemporaryDirectory() as folder:
            for codec in ENCODINGS:
                film = Path(folder, f"{codec}.mp4")
                run(
                    {"source": f"test://?frames={FRAMES}&size=1920x1080", "model": "otsu", "view": "source"},
                    film,
                    codec,
                )
                yield from rows(f"{what}, {codec}", film, backend, codec)


def rows(what: str, film: Path, backend: str, codec: str) -> Iterator[Row]:
    """Of one film, read and written in one codec."""
    how, out = f"`{MODEL}`, {FRAMES} frames of 1920x1080", film.with_name("out.mp4")
    options: dict[str, object] = {"source": str(film), "model": MODEL, "backend": backend}
    try:
        by_cpu, there = (run({**options, "decode": decode}, out, codec) for decode in ("cpu", "cuda"))
    except StreamsegError as error:
        yield skipped(what, error)
        return
    yield Row(f"{what}, the CPU decodes", how, told(by_cpu))
    bound = f"the CPU's {by_cpu.fps:.0f} frames/s"
    yield Row(f"{what}, the GPU decodes", how, told(there), bound, there.fps > by_cpu.fps)
    figure, bound = f"{there.bus_mb:.2f} MB a frame", f"{MOST_BUS_MB} MB"
    yield Row(f"{what}, over the bus", how, figure, bound, there.bus_mb <= MOST_BUS_MB)


def told(found: Measured) -> str:
    return f"{found.fps:.0f} frames/s, {found.core_ms:.1f} ms of a core a frame, {found.bus_mb:.2f} MB over the bus"


def run(options: dict[str, object], out: Path, codec: str) -> Measured:
    """A whole run into `out`."""
    pipeline = assemble(make_options({**options, "outputs": (str(out),), "codec": codec, "overwrite": True}))
    with Bus() as bus:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        count = sum(1 for _ in pipeline)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return Measured(count / wall_s, cpu_s / count * 1e3, bus.moved / count / 1e6)
