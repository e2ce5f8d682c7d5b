"""CUDA through cuda-bindings, NVIDIA's own package, which comes compiled: the driver's functions by their C names."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamseg import installing
from streamseg.cuda.contract import DRIVER_HINT, FAILED_HINT, Address, Bytes, Gpu, Graph, Stream
from streamseg.ending import call_last_at_exit
from streamseg.errors import BackendError

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: the stream does not wait for what others put into the default stream
_ASLEEP = 1 | 2  # CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING
_WAITS_ASLEEP = 4  # CU_CTX_SCHED_BLOCKING_SYNC
_END, _BUFFER, _BUFFER_SIZE = range(3)  # CU_LAUNCH_PARAM_…
_NAME_BYTES = 256
_contexts: dict[tuple[Any, int], Any] = {}
"""The primary context by the module that retained it and the number of the GPU: one each for the whole process."""


def open_bindings(number: int = 0) -> BindingsRuntime:
    """The GPU of that number among those that CUDA shows.

    Raises:
        BackendError: cuda-bindings does not load, no driver, or no such GPU; the hint says how to get it.
    """
    try:
        module = importlib.import_module("cuda.bindings.driver")
    except (ImportError, OSError) as error:
        raise BackendError(
            f"cuda-bindings does not load: {_line(error)}", installing.package("cuda-bindings")
        ) from None
    try:
        module.cuInit(0)  # what looks for the driver; it raises errors of a third package
    except Exception as error:
        raise BackendError(f"there is no NVIDIA driver: {_line(error)}", DRIVER_HINT) from None
    driver = _Driver(module, "there is no NVIDIA GPU", DRIVER_HINT)
    driver("cuInit", 0)
    if not driver("cuDeviceGetCount"):
        raise BackendError("there is no NVIDIA GPU", "CUDA_VISIBLE_DEVICES hides it, or " + DRIVER_HINT)
    return BindingsRuntime(module, number)


class _Driver:
    """Calls the driver's functions; their error codes become a BackendError that quotes the driver."""

    def __init__(self, module: Any, what: str = "the GPU failed", hint: str = FAILED_HINT) -> None:
        self._module, self._what, self._hint = module, what, hint

    def __call__(self, name: str, *arguments: object) -> Any:
        """What the function gives; None where that is nothing."""
        try:
            code, *given = getattr(self._module, name)(*arguments)
            why = self._words(code) if int(code) else ""
        except Exception as error:  # the driver is too old for the function, or has a code that is too new
            given, why = [], _line(error)
        if why:
            raise BackendError(f"{self._what}: {name} failed: {why}", self._hint)
        return given[0] if given else None

    def _words(self, code: Any) -> str:
        _, words = self._module.cuGetErrorString(code)
        return words.decode() if words else str(int(code))

    def let_go_with(self, owner: object, name: str, handle: Any) -> None:
        """Calls `name` when `owner` is forgotten; at the end of the process everything goes by itself."""
        weakref.finalize(owner, self._quietly, name, handle).atexit = False

    def _quietly(self, name: str, handle: Any) -> None:
        with contextlib.suppress(BackendError):
            self(name, handle)


class _Stream:
    """A stream that is waited for asleep: CUDA's own wait would keep a core busy."""

    def __init__(self, driver: _Driver) -> None:
        self._driver = driver
        self.raw = driver("cuStreamCreate", _NON_BLOCKING)
        driver.let_go_with(self, "cuStreamDestroy", self.raw)
        self._done = driver("cuEventCreate", _ASLEEP)
        driver.let_go_with(self, "cuEventDestroy", self._done)

    @property
    def handle(self) -> int:
        """CUDA's own."""
        return int(self.raw)

    def follow_default(self) -> None:
        """By an event there."""
        self._driver("cuEventRecord", self._done, 0)
        self._driver("cuStreamWaitEvent", self.raw, self._done, 0)

    def synchronize(self) -> None:
        """Other Python threads run meanwhile."""
        self._driver("cuEventRecord", self._done, self.raw)
        self._driver("cuEventSynchronize", self._done)


class _Graph:
    """What a stream was given while it recorded."""

    def __init__(self, driver: _Driver, recorded: Any) -> None:
        self._driver = driver
        self._raw = driver("cuGraphInstantiate", recorded, 0)
        driver.let_go_with(self, "cuGraphExecDestroy", self._raw)

    def launch(self, stream: Any) -> None:
        """Behind everything in `stream`."""
        self._driver("cuGraphLaunch", self._raw, stream.raw)


class _Module:
    """Kernels, and those of them that were asked for."""

    def __init__(self, driver: _Driver, image: bytes) -> None:
        self._driver = driver
        self._raw = driver("cuModuleLoadDataEx", image + b"\0", 0, [], [])  # PTX is a text that ends with a zero
        driver.let_go_with(self, "cuModuleUnload", self._raw)
        self._kernels: dict[str, Any] = {}

    def kernel(self, name: str) -> Any:
        """CUDA's own."""
        if name not in self._kernels:
            self._kernels[name] = self._driver("cuModuleGetFunction", self._raw, name.encode())
        return self._kernels[name]


class BindingsRuntime:
    """CUDA through cuda-bindings; what goes wrong is a BackendError at once."""

    def __init__(self, module: Any, number: int = 0) -> None:
        """The GPU of that number; `module` is `cuda.bindings.driver`, initialised.

        Raises:
            BackendError: the GPU does not answer.
        """
        driver = self._driver = _Driver(module)
        self._module = module
        device = driver("cuDeviceGet", number)
        kinds = module.CUdevice_attribute
        major, minor, processors = (
            int(driver("cuDeviceGetAttribute", getattr(kinds, f"CU_DEVICE_ATTRIBUTE_{name}"), device))
            for name in ("COMPUTE_CAPABILITY_MAJOR", "COMPUTE_CAPABILITY_MINOR", "MULTIPROCESSOR_COUNT")
        )
        name = driver("cuDeviceGetName", _NAME_BYTES, device).partition(b"\0")[0].decode()
        self.gpu = Gpu(name, f"sm{major}{minor}", processors, number)
        self._context = _primary_context(driver, module, number, device)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """The primary context, pushed and popped."""
        self._driver("cuCtxPushCurrent", self._context)
        try:
            yield
        finally:
            self._driver("cuCtxPopCurrent")

    def check(self) -> None:
        """Waits for everything that the GPU was given."""
        self._driver("cuCtxSynchronize")

    def make_stream(self) -> Stream:
        """A stream of its own."""
        return _Stream(self._driver)

    def allocate(self, size_bytes: int) -> Address:
        """At least a byte: CUDA has no empty memory."""
        return int(self._driver("cuMemAlloc", max(1, size_bytes)))

    def free(self, address: Address) -> None:
        """At once."""
        self._driver("cuMemFree", address)

    def lock_pages(self, size_bytes: int) -> Bytes:
        """Fresh pages."""
        size_bytes = max(1, size_bytes)
        address = int(self._driver("cuMemHostAlloc", size_bytes, 0))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size_bytes).from_address(address))

    def unlock_pages(self, memory: Bytes) -> None:
        """At once."""
        self._driver("cuMemFreeHost", memory.ctypes.data)

    def upload(self, address: Address, source: Bytes, stream: Any) -> None:
        """Begins to copy."""
        self._driver("cuMemcpyHtoDAsync", address, source.ctypes.data, source.nbytes, stream.raw)

    def download(self, target: Bytes, address: Address, stream: Any) -> None:
        """Begins to copy."""
        self._driver("cuMemcpyDtoHAsync", target.ctypes.data, address, target.nbytes, stream.raw)

    def record(self, work: Callable[[], None], stream: Any) -> Graph:
        """Other threads may allocate meanwhile: only this one must not."""
        mode = self._module.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._driver("cuStreamBeginCapture", stream.raw, mode)
        try:
            work()
        except BaseException:
            with contextlib.suppress(BackendError):  # what is half recorded goes
                self._driver("cuGraphDestroy", self._driver("cuStreamEndCapture", stream.raw))
            raise
        recorded = self._driver("cuStreamEndCapture", stream.raw)
        try:
            return _Graph(self._driver, recorded)
        finally:
            self._driver("cuGraphDestroy", recorded)

    def copy(self, target: Address, source: Address, size_bytes: int, stream: Any) -> None:
        """Begins to copy."""
        self._driver("cuMemcpyDtoDAsync", target, source, size_bytes, stream.raw)

    def compile(self, source: str) -> bytes:
        """By the nvcc that is on the path; nothing is kept."""
        try:
            return _nvcc(source, self.gpu.architecture.replace("sm", "sm_"))
        except (OSError, subprocess.CalledProcessError) as error:
            why = _last_line(getattr(error, "stderr", "")) or _line(error)
            raise BackendError(f"nvcc does not compile for {self.gpu}: {why}", "install CUDA's nvcc") from None

    def load(self, image: bytes) -> Any:
        """The driver compiles PTX itself, and keeps what comes of it."""
        return _Module(self._driver, image)

    def launch(self, module: Any, kernel: str, threads: tuple[int, int, int], task: Any, stream: Any) -> None:
        """In blocks of 32 by 8."""
        grid = (-(-threads[0] // 32), -(-threads[1] // 8), threads[2])
        struct, size = np.frombuffer(task.tobytes(), np.uint8), np.array([task.nbytes], np.uint64)
        # As one struct with its size, which the driver checks.
        extra = np.array([_BUFFER, struct.ctypes.data, _BUFFER_SIZE, size.ctypes.data, _END], np.uint64)
        self._driver(
            "cuLaunchKernel", module.kernel(kernel), *grid, 32, 8, 1, 0, stream.raw, 0, extra.ctypes.data
        )  # fmt: skip


def _nvcc(source: str, architecture: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file, image = Path(folder, "kernels.cu"), Path(folder, "kernels.cubin")
        file.write_text(source)
        command = ["nvcc", "--cubin", f"-arch={architecture}", "-o", str(image), str(file)]
        subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)
        return image.read_bytes()


def _last_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[-1].strip()[:200] if lines else ""


def _primary_context(driver: _Driver, module: Any, number: int, device: Any) -> Any:
    """Retained once and given back when the process ends, as others use it too."""
    if (kept := _contexts.get((module, number))) is not None:
        return kept
    with contextlib.suppress(BackendError):  # FFmpeg leaves frames in no context that was begun otherwise
        driver("cuDevicePrimaryCtxSetFlags", device, _WAITS_ASLEEP)
    made = driver("cuDevicePrimaryCtxRetain", device)
    call_last_at_exit(functools.partial(driver._quietly, "cuDevicePrimaryCtxRelease", device))
    return _contexts.setdefault((module, number), made)  # in one step: of two threads at once both get the same


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
