"""A GPU as one thread sees it: what TensorRT needs of CUDA behind a small contract, and pycuda as what fulfils it.

Everything happens in the device's primary context, which TensorRT, ONNX Runtime and PyTorch use too: a second context
could not see their memory. It is current only inside `with cuda.current()`, so the thread's stack is left as it was.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import BackendError

Address = int
"""Of memory on the GPU."""
Bytes = NDArray[np.uint8]
_NON_BLOCKING = 1  # the stream does not wait for what others put into the default stream
_DRIVER_HINT = "install NVIDIA's driver; `nvidia-smi` must list the GPU"
_PYCUDA_HINT = "pip install pycuda; it is compiled then, by g++ and with the CUDA toolkit"


@dataclass(frozen=True, slots=True)
class Gpu:
    """What an engine is built for."""

    name: str
    architecture: str
    """As `--for` has it: "sm86"."""
    processors: int
    """Streaming multiprocessors: cards of one name may differ in them."""

    def __str__(self) -> str:
        return f"{self.name} ({self.architecture}, {self.processors} multiprocessors)"


class Stream(Protocol):
    """Work for the GPU in the order in which it was put in."""

    @property
    def handle(self) -> int:
        """CUDA's own, as TensorRT wants it."""

    def synchronize(self) -> object:
        """Until everything in it is done; only then are downloads there. Other Python threads run meanwhile."""


class CudaRuntime(Protocol):
    """One GPU in one thread: made, used and left there. All but `gpu` and `current` need the context to be current.

    What goes wrong is a BackendError.
    """

    @property
    def gpu(self) -> Gpu:
        """Which one it is."""

    def current(self) -> AbstractContextManager[None]:
        """Makes the context this thread's own for a while; may be nested."""

    def make_stream(self) -> Stream:
        """A stream of its own, freed when it is forgotten."""

    def allocate(self, size_bytes: int) -> Address:
        """Memory on the GPU."""

    def free(self, address: Address) -> None:
        """`address` is what `allocate` gave."""

    def lock_pages(self, size_bytes: int) -> Bytes:
        """Memory of this machine that the GPU copies from and to by itself, (size_bytes,) u8."""

    def unlock_pages(self, memory: Bytes) -> None:
        """`memory` is what `lock_pages` gave; nothing may look at it afterwards."""

    def upload(self, address: Address, source: Bytes, stream: Stream) -> None:
        """Begins to copy; `source` is page-locked and stays as it is until `stream` is done."""

    def download(self, target: Bytes, address: Address, stream: Stream) -> None:
        """Begins to copy; `target` is page-locked and is not looked at until `stream` is done."""

    def compile(self, source: str) -> bytes:
        """CUDA C++ for this GPU; takes nvcc."""

    def load(self, image: bytes) -> Any:
        """A module of kernels, compiled: cubin, fatbin or PTX."""

    def launch(self, module: Any, kernel: str, threads: tuple[int, int, int], task: Any, stream: Stream) -> None:
        """Begins a kernel with at least so many threads (x, y, z); `task` is the struct that it takes, a NumPy void."""


def open_cuda() -> CudaRuntime:
    """The first GPU that CUDA shows (`CUDA_VISIBLE_DEVICES` says which that is), for this thread.

    Raises:
        BackendError: no pycuda, no driver, or no GPU; the hint says how to get it.
    """
    return PycudaRuntime(_import_pycuda())


def _import_pycuda() -> Any:
    if importlib.util.find_spec("pycuda") is None:
        raise BackendError("pycuda is not installed", _PYCUDA_HINT)
    try:
        driver = importlib.import_module("pycuda.driver")
    except (ImportError, OSError) as error:
        line = " ".join(str(error).split())
        if "libcuda" in line:
            raise BackendError(f"there is no NVIDIA driver: {line}", _DRIVER_HINT) from None
        raise BackendError(f"pycuda does not load: {line}", _PYCUDA_HINT) from None
    try:
        driver.init()
        count = int(driver.Device.count())
    except driver.Error as error:
        raise BackendError(f"there is no NVIDIA GPU: {_line(error)}", _DRIVER_HINT) from None
    if not count:
        raise BackendError("there is no NVIDIA GPU", "CUDA_VISIBLE_DEVICES hides it, or " + _DRIVER_HINT)
    return driver


_kept: list[Any] = []  # contexts: pycuda gives them back in a way that leaves them on the stack of their thread


class PycudaRuntime:
    """CUDA through pycuda."""

    def __init__(self, driver: Any) -> None:
        """`driver` is the module `pycuda.driver`, initialised.

        Raises:
            BackendError: the GPU does not answer.
        """
        self._driver = driver
        with self._told():
            device = driver.Device(0)
            major, minor = device.compute_capability()
            processors = int(device.get_attribute(driver.device_attribute.MULTIPROCESSOR_COUNT))
            self.gpu = Gpu(str(device.name()), f"sm{major}{minor}", processors)
            self._context = device.retain_primary_context()
        _kept.append(self._context)
        self._memory: dict[Address, Any] = {}

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """The primary context, pushed and popped."""
        with self._told():
            self._context.push()
            try:
                yield
            finally:
                self._driver.Context.pop()

    def make_stream(self) -> Stream:
        """A stream of its own; goes when it is forgotten."""
        stream: Stream = self._driver.Stream(_NON_BLOCKING)
        return stream

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

    def upload(self, address: Address, source: Bytes, stream: Stream) -> None:
        """Begins to copy."""
        self._driver.memcpy_htod_async(address, source, stream)

    def download(self, target: Bytes, address: Address, stream: Stream) -> None:
        """Begins to copy."""
        self._driver.memcpy_dtoh_async(target, address, stream)

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
        """The driver takes of a fatbin what fits the GPU, and compiles PTX itself."""
        with self._told():
            return self._driver.module_from_buffer(image)

    def launch(self, module: Any, kernel: str, threads: tuple[int, int, int], task: Any, stream: Stream) -> None:
        """In blocks of 32 by 8."""
        grid = (-(-threads[0] // 32), -(-threads[1] // 8), threads[2])
        module.get_function(kernel)(task, grid=grid, block=(32, 8, 1), stream=stream)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise BackendError(
                f"the GPU failed: {_line(error)}", "`nvidia-smi` and the system's log say more"
            ) from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
