"""streamseg's kernels compiled by g++: the same source, run on the CPU, thread after thread."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.cuda.kernels import SOURCE
from tests.parts.cuda_errors import LogicError
from tests.parts.fake_cuda import FakeGpu

ADDRESSES = ("picture", "out", "colour", "out_colour", "scores", "labels", "confidence")


@functools.cache
def library() -> ctypes.CDLL:
    """Compiled once; a test without g++ is skipped."""
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    folder = Path(tempfile.mkdtemp())
    loaded = ctypes.CDLL(str(compile_kernels(folder)))
    shutil.rmtree(folder)
    return loaded


def compile_kernels(folder: Path) -> Path:
    """The library that g++ makes of them."""
    target = folder / "kernels.so"
    command = ["g++", "-x", "c++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(target), str(SOURCE)], check=True)
    return target


def run(kernel: str, task: Any, threads: tuple[int, int, int]) -> None:
    """Like a launch: in whole blocks of 32 by 8, so that some threads have nothing to do."""
    plain = np.ascontiguousarray(task).tobytes()
    columns, rows = -(-threads[0] // 32) * 32, -(-threads[1] // 8) * 8
    getattr(library(), kernel)(plain, columns, rows, threads[2])


def on(gpu: FakeGpu) -> dict[str, Callable[..., None]]:
    """The kernels for a double of a GPU: what they are told of its memory is where that really lies."""

    def make(kernel: str) -> Callable[..., None]:
        def launched(grid: tuple[int, int, int], block: tuple[int, int, int], task: Any) -> None:
            task = np.array(task)
            for name in set(ADDRESSES) & set(task.dtype.names):
                address = int(task[name])
                if name in ("colour", "confidence") and not address:
                    continue
                width = (1, 2, 4)[int(task["kind"])] if name in ("out", "scores") and "kind" in task.dtype.names else 1
                if address % width:
                    gpu.lost = True
                    raise LogicError("cuEventSynchronize failed: misaligned address")
                task[name] = gpu.view(address, 1).ctypes.data
            run(kernel, task, (grid[0] * block[0], grid[1] * block[1], grid[2]))

        return launched

    return {kernel: make(kernel) for kernel in ("fit", "pick", "tint", "shrink")}
