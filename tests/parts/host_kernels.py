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

from streamseg.cuda.kernels import SOURCES, source
from tests.parts.cuda_errors import LogicError
from tests.parts.fake_cuda import FakeGpu

MAY_BE_NOTHING = ("colour", "confidence", "start", "way", "second", "trust", "sums")
KERNELS = ("fit", "pick", "tint", "shrink", "grey", "search", "follow", "look", "warp", "trust", "ask", "vote", "doubt")


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
    (folder / "kernels.cu").write_text(source(*SOURCES))
    command = ["g++", "-x", "c++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(target), str(folder / "kernels.cu")], check=True)
    return target


def compile_watched(folder: Path, *flags: str) -> Path:
    """The program of `search_threads.cpp`, which says what g++ watches for under these flags; -DTHREADS=N: so many."""
    (folder / "kernels.cu").write_text(source(*SOURCES))
    target, program = folder / "search", Path(__file__).with_name("search_threads.cpp")
    command = ["g++", "-std=c++20", "-O1", "-Wno-unused-function", *flags]
    subprocess.run([*command, "-I", str(folder), "-o", str(target), str(program), "-lpthread"], check=True)
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
            run(kernel, located(gpu, np.array([task])[0]), (grid[0] * block[0], grid[1] * block[1], grid[2]))

        return launched

    return {kernel: make(kernel) for kernel in KERNELS}


def located(gpu: FakeGpu, task: Any) -> Any:
    """The task with all its addresses, which are its numbers of 64 bits, as they are here."""
    for name in task.dtype.names:
        if task.dtype[name].base.names:
            for each in task[name]:
                if any(each.tobytes()):  # one that is there
                    located(gpu, each)
        elif task.dtype[name] == np.uint64 and (int(task[name]) or name not in MAY_BE_NOTHING):
            width = (1, 2, 4)[int(task["kind"])] if name in ("out", "scores") and "kind" in task.dtype.names else 1
            if int(task[name]) % width:
                gpu.lost = True
                raise LogicError("cuEventSynchronize failed: misaligned address")
            task[name] = gpu.view(int(task[name]), 1).ctypes.data
    return task
