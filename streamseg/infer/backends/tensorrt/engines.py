"""Engines in GPU memory: one for all workers that run the same plan on one GPU, as TensorRT advises; each has its own
context."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamseg.errors import BackendError
from streamseg.infer.backends.tensorrt.cuda import CudaRuntime
from streamseg.infer.backends.tensorrt.library import Library

if TYPE_CHECKING:
    import tensorrt as trt

# A plan that is refused for one of these is none the worse for it.
_OF_THE_MACHINE = re.compile(r"memory|Cuda Runtime|cudaError|CUDA init|driver", re.IGNORECASE)
_lock = threading.Lock()  # TensorRT leaves it to its callers that no two threads ask one engine at once
_Key = tuple[Library, int, str]
"""The library, the number of the GPU, and the plan's checksum."""
_loaded: dict[_Key, _Loaded] = {}


class _Loaded:
    """An engine, and how many workers hold it."""

    def __init__(self, engine: trt.ICudaEngine) -> None:
        self.engine = engine
        self.holders = 0


class SharedEngine:
    """One worker's hold on an engine, which goes with the last of them."""

    def __init__(self, key: _Key) -> None:
        """For what is loaded; the lock is held."""
        self._key = key
        self._held = True
        _loaded[key].holders += 1

    @contextlib.contextmanager
    def alone(self) -> Iterator[trt.ICudaEngine]:
        """The engine, asked by nobody else meanwhile."""
        with _lock:
            yield _loaded[self._key].engine

    def release(self) -> None:
        """Behind the worker's execution context, with the GPU's context current; may be called twice."""
        with _lock:
            if self._held:
                self._held = False
                _loaded[self._key].holders -= 1
                if not _loaded[self._key].holders:
                    del _loaded[self._key]


def load_engine(library: Library, cuda: CudaRuntime, plan: bytes) -> SharedEngine | None:
    """The engine in `plan`, or None where the library does not take it; `library.reason()` has more.

    Raises:
        BackendError: the library does not start, the GPU has no room for the engine, or answers nothing more.
    """
    key = library, cuda.gpu.number, hashlib.sha256(plan).hexdigest()
    with _lock, cuda.current():
        if key in _loaded:
            return SharedEngine(key)
        runtime = library.make(lambda: library.module.Runtime(library.logger))
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is not None:
            _loaded[key] = _Loaded(engine)
            return SharedEngine(key)
        cuda.check()  # a GPU that failed takes no plan at all
    if _OF_THE_MACHINE.search(library.reason()):
        raise BackendError(f"{library.kind} {library.version} cannot load the engine: {library.reason()}")
    return None
