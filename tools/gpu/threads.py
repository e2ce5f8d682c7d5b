"""Made in one thread, used in two others, let go in a fourth: nothing may stay on the GPU."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from gpu.memory import raw_driver
from gpu.row import Row
from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.cuda.memory import Buffers

SIZE_BYTES = 1 << 20


def probe() -> Iterator[Row]:
    """Bytes that did not come back, and what pycuda said."""
    cuda, box = open_cuda(), dict[str, Any]()
    with cuda.current():
        before = raw_driver().mem_get_info()[0]

    def make() -> None:
        with cuda.current():
            box.update(kernels=Kernels(cuda), stream=cuda.make_stream(), buffers=Buffers(cuda))

    def use() -> None:
        with cuda.current():
            locked = box["buffers"].locked("x", SIZE_BYTES)
            locked[:] = 7
            cuda.upload(box["buffers"].on_gpu("x", SIZE_BYTES), locked, box["stream"])
            box["stream"].synchronize()

    def end() -> None:
        with cuda.current():
            box["buffers"].free()
            del box["kernels"]
            del box["stream"]

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for work in (make, use, use, end):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        gc.collect()
    with cuda.current():
        kept = before - raw_driver().mem_get_info()[0]
    told = f": {said[0].message}" if said else ""
    how = "CUDA's free memory before and behind"
    yield Row(
        "what stays on the GPU",
        how,
        f"{kept} bytes; {len(said)} warnings{told}",
        "0 bytes, 0 warnings",
        not (kept or said),
    )
