"""How much memory is taken: of this process, and of the GPU as CUDA counts it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from streamseg.cuda.driver import open_cuda
from streamseg.errors import BackendError


def process_mb() -> float:
    """Resident now, not at its largest: a peak hides what leaks below it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def gpu_mb() -> float:
    """Taken on the GPU that CUDA shows first, by everybody; NaN without pycuda."""
    try:
        cuda = open_cuda()
    except BackendError:
        return float("nan")
    with cuda.current():
        free, total = raw_driver().mem_get_info()
    return float(total - free) / 1e6


def raw_driver() -> Any:
    """`pycuda.driver`, for what the backend does not need of it."""
    import pycuda.driver

    return pycuda.driver
