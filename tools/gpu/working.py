"""A file of the generated scene through one, two, four and sixteen workers of each backend that runs here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from gpu.memory import gpu_mb, process_mb
from gpu.row import Row, skipped
from streamseg.assembly import assemble
from streamseg.config import make_options
from streamseg.errors import StreamsegError
from streamseg.infer.backends.faults import ON_NVIDIA

WORKERS = (1, 2, 4, 16)
FRAMES = 600
MODEL = "lane"


def probe() -> Iterator[Row]:
    """Frames a second without the first, which wait for engines; memory while all workers are at work."""
    for backend in ON_NVIDIA:
        for workers in WORKERS:
            try:
                how = f"`{MODEL}`, {FRAMES} frames of 1280x720"
                yield Row(f"{backend}, {workers} workers", how, measured(backend, workers))
            except StreamsegError as error:
                yield skipped(f"{backend}, {workers} workers", error)
                break


def measured(backend: str, workers: int) -> str:
    options: dict[str, Any] = {"source": f"test://?frames={FRAMES}&size=1280x720", "outputs": ("null",), "model": MODEL}
    before_mb = gpu_mb()
    pipeline = assemble(make_options({**options, "backend": backend, "workers": workers}))
    started_s = taken_mb = 0.0
    for shown in pipeline:
        if shown.frame.index == FRAMES // 4:
            started_s, taken_mb = time.perf_counter(), gpu_mb() - before_mb
    rate = FRAMES * 3 / 4 / (time.perf_counter() - started_s)
    return f"{rate:.0f} frames/s, {taken_mb:.0f} MB of the GPU, {process_mb():.0f} MB here"
