"""Engines in GPU memory: one for all workers that run the same plan on one GPU, as TensorRT advises; each has its own
context."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.cuda.contract import CudaRuntime
from streamseg.errors import BackendError
from streamseg.infer.backends.tensorrt.library import Library
from streamseg.infer.backends.tensorrt.runtime_cache import RuntimeCache

if TYPE_CHECKING:
    import tensorrt as trt

# A plan that is refused for one of these is none the worse for it.
_OF_THE_MACHINE = re.compile(r"memory|Cuda Runtime|cudaError|CUDA init|driver", re.IGNORECASE)
_lock = threading.Lock()  # TensorRT leaves it to its callers that no two threads ask one engine at once
_Key = tuple[Library, int, str]
"""The library, the number of the GPU, and the plan's checksum."""
_loaded: dict[_Key, _Loaded] = {}


class _Loaded:
    """An engine, what was compiled for it, and how many workers hold it."""

    def __init__(self, engine: trt.ICudaEngine, compiled: RuntimeCache | None) -> None:
        self.engine = engine
        self.compiled = compiled
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

    @property
    def compiled(self) -> RuntimeCache | None:
        """What was compiled for it; None where the library keeps nothing."""
        return _loaded[self._key].compiled

    def keep_compiled(self) -> None:
        """Writes down what was compiled since."""
        with _lock:
            if self._held and (compiled := self.compiled) is not None:
                compiled.keep()

    def release(self) -> None:
        """Behind the worker's execution context, with the GPU's context current; may be called twice."""
        with _lock:
            if self._held:
                self._held = False
                _loaded[self._key].holders -= 1
                if not _loaded[self._key].holders:
                    del _loaded[self._key]


def load_engine(library: Library, cuda: CudaRuntime, plan: bytes, kept_at: Path | None = None) -> SharedEngine | None:
    """The engine in `plan`, or None where the library does not take it; `library.reason()` has more.

    `kept_at` is the plan's file, beside which stays what the library compiles for it; None: nowhere.

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
            compiled = None
            if library.kind == "tensorrt-rtx" and kept_at is not None:
                where = {"library": f"{library.kind} {library.version}", "gpu": str(cuda.gpu), "plan": key[2]}
                compiled = RuntimeCache(engine, kept_at, where)
            _loaded[key] = _Loaded(engine, compiled)
            return SharedEngine(key)
        cuda.check()  # a GPU that failed takes no plan at all
    if _OF_THE_MACHINE.search(library.reason()):
        raise BackendError(f"{library.kind} {library.version} cannot load the engine: {library.reason()}")
    return None
