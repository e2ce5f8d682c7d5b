"""CUDA, through whichever package there is; and through pycuda, with its one context for the whole process."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamseg import installing
from streamseg.cuda.bindings import open_bindings
from streamseg.cuda.contract import (
    DRIVER_HINT,
    FAILED_HINT,
    Address,
    Bytes,
    CudaRuntime,
    Gpu,
    Graph,
    Stream,
)
from streamseg.ending import call_last_at_exit
from streamseg.errors import BackendError

_NON_BLOCKING = 1  # the stream does not wait for what others put into the default stream
_PYCUDA_HINT = f"{installing.package('pycuda')}; it is compiled then, by g++ and with the CUDA toolkit"
_NEWER_HINT = (
    "install a newer driver, or pycuda compiled with an older CUDA toolkit: "
    f"{installing.pip()} install --no-cache-dir pycuda"
)
_contexts: dict[tuple[Any, int], Any] = {}
"""The primary context of each driver and GPU, one each for the process: pycuda frees what belongs to it through no
other."""


def open_cuda(number: int = 0) -> CudaRuntime:
    """The GPU of that number among those that CUDA shows; `CUDA_VISIBLE_DEVICES` says which those are.

    Raises:
        BackendError: neither pycuda nor cuda-bindings, no driver, or no such GPU; the hint says how to get it.
    """
    if importlib.util.find_spec("pycuda"):
        return PycudaRuntime(_import_pycuda(), number)
    if _has_bindings():
        return open_bindings(number)
    raise BackendError("neither cuda-bindings nor pycuda is installed", installing.package("cuda-bindings"))


def has_package() -> bool:
    """Whether there is a package to reach CUDA through; nothing is loaded for it."""
    return importlib.util.find_spec("pycuda") is not None or _has_bindings()


def _has_bindings() -> bool:
    """Looked for as a folder: to ask for the package `cuda.bindings` would load `cuda`, which other packages share."""
    shared = importlib.util.find_spec("cuda")
    folders = shared.submodule_search_locations if shared else None
    return any(Path(folder, "bindings").is_dir() for folder in folders or ())


def _import_pycuda() -> Any:
    warnings.filterwarnings("ignore", "Failed to import the CUDA driver interface")  # the error says the same
    try:
        driver = importlib.import_module("pycuda.driver")
    except (ImportError, OSError) as error:
        line = " ".join(str(error).split())
        if "libcuda" in line:
            raise BackendError(f"there is no NVIDIA driver: {line}", DRIVER_HINT) from None
        hint = _NEWER_HINT if "undefined symbol: cu" in line else _PYCUDA_HINT
        raise BackendError(f"pycuda does not load: {line}", hint) from None
    try:
        driver.init()
        count = int(driver.Device.count())
    except driver.Error as error:
        raise BackendError(f"there is no NVIDIA GPU: {_line(error)}", DRIVER_HINT) from None
    if not count:
        raise BackendError("there is no NVIDIA GPU", "CUDA_VISIBLE_DEVICES hides it, or " + DRIVER_HINT)
    return driver


def _primary_context(driver: Any, number: int, device: Any) -> Any:
    """Retained once and given back when the process ends: a context that Python forgets, pycuda gives back wrongly."""
    if (kept := _contexts.get((driver, number))) is not None:
        return kept
    made = device.retain_primary_context()
    call_last_at_exit(functools.partial(_give_back, driver, made))
    return _contexts.setdefault((driver, number), made)  # in one step: of two threads at once both get the same


def _give_back(driver: Any, context: Any) -> None:
    with contextlib.suppress(driver.Error):
        context.detach()


class _PycudaStream:
    """A stream that is waited for asleep: CUDA's own wait would keep a core busy."""

    def __init__(self, driver: Any) -> None:
        self.raw = driver.Stream(_NON_BLOCKING)
        self._done = driver.Event(driver.event_flags.BLOCKING_SYNC | driver.event_flags.DISABLE_TIMING)

    @property
    def handle(self) -> int:
        """CUDA's own."""
        return int(self.raw.handle)

    def follow_default(self) -> None:
        """By an event there."""
        self._done.record()
        self.raw.wait_for_event(self._done)

    def synchronize(self) -> None:
        """Other Python threads run meanwhile."""
        self._done.record(self.raw)
        self._done.synchronize()


class PycudaRuntime:
    """CUDA through pycuda."""

    def __init__(self, driver: Any, number: int = 0) -> None:
        """The GPU of that number; `driver` is the module `pycuda.driver`, initialised.

        Raises:
            BackendError: the GPU does not answer.
        """
        self._driver = driver
        with self._told():
            device = driver.Device(number)
            major, minor = device.compute_capability()
            processors = int(device.get_attribute(driver.device_attribute.MULTIPROCESSOR_COUNT))
            self.gpu = Gpu(str(device.name()), f"sm{major}{minor}", processors, number)
            self._context = _primary_context(driver, number, device)
        self._memory: dict[Address, Any] = {}

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """The primary context, pushed and popped."""
        with self._told():
            self._context.push()
            try:
                yield
            finally:
                self._pop()

    def check(self) -> None:
        """Waits for everything that the GPU was given."""
        with self._told():
            self._driver.Context.synchronize()

    def make_stream(self) -> Stream:
        """A stream of its own."""
        return _PycudaStream(self._driver)

    def allocate(self, size_bytes: int) -> Address:
        """At least a byte: CUDA has no empty memory."""
        memory = self._driver.mem_alloc(max(1, size_bytes))
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, address: Address) -> None:
        """At once, not when Python gets round to it."""
        self._memory.pop(address).free()

    def lock_pages(self, size_bytes: int) -> Bytes:
        """Fresh pages."""
        memory: Bytes = self._driver.pagelocked_empty(max(1, size_bytes), np.uint8)
        return memory

    def unlock_pages(self, memory: Bytes) -> None:
        """At once."""
        owner: Any = memory.base
        owner.free()

    def upload(self, address: Address, source: Bytes, stream: Any) -> None:
        """Begins to copy."""
        self._driver.memcpy_htod_async(address, source, stream.raw)

    def download(self, target: Bytes, address: Address, stream: Any) -> None:
        """Begins to copy."""
        self._driver.memcpy_dtoh_async(target, address, stream.raw)

    def record(self, work: Callable[[], None], stream: Any) -> Graph:
        """Never."""
        raise BackendError("pycuda has no stream capture", installing.package("cuda-bindings"))

    def copy(self, target: Address, source: Address, size_bytes: int, stream: Any) -> None:
        """Begins to copy."""
        self._driver.memcpy_dtod_async(target, source, size_bytes, stream.raw)

    def compile(self, source: str) -> bytes:
        """Kept by pycuda in the user's cache folder."""
        architecture = self.gpu.architecture.replace("sm", "sm_")
        try:
            compiler = importlib.import_module("pycuda.compiler")
            image: bytes = compiler.compile(source, no_extern_c=True, arch=architecture)
        except (self._driver.CompileError, ImportError, OSError) as error:
            raise BackendError(f"nvcc does not compile for {self.gpu}: {_line(error)}", "install CUDA's nvcc") from None
        return image

    def load(self, image: bytes) -> Any:
        """The driver compiles PTX itself, and keeps what comes of it."""
        with self._told():
            return self._driver.module_from_buffer(image)

    def launch(self, module: Any, kernel: str, threads: tuple[int, int, int], task: Any, stream: Any) -> None:
        """In blocks of 32 by 8."""
        grid = (-(-threads[0] // 32), -(-threads[1] // 8), threads[2])
        module.get_function(kernel)(task, grid=grid, block=(32, 8, 1), stream=stream.raw)

    def _pop(self) -> None:
        """Where even this is refused, pycuda is made to forget the context: left on its stack, that would end the
        process when the thread ends."""
        try:
            self._driver.Context.pop()
        except self._driver.Error:
            _contexts.pop((self._driver, self.gpu.number), None)
            for forget in (self._context.detach, self._driver.Stream):  # the second only looks at what is current
                with contextlib.suppress(self._driver.Error):
                    forget()
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise BackendError(f"the GPU failed: {_line(error)}", FAILED_HINT) from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
