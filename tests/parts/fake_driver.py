"""A double of the module `pycuda.driver`: its names, over the GPU of fake_cuda."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.parts.cuda_errors import EARLY, CompileError, Error, LaunchError, LogicError, OutOfMemoryError, must
from tests.parts.fake_cuda import Allocation, FakeContext, FakeEvent, FakeGpu, FakeStream, Pages, Thing

_LIMITS = ((1 << 31) - 1, 65535, 65535, 1024, 1024, 64)  # of a grid and a block, by x, y, z
_IMAGES = (b"\x50\xed\x55\xba", b"\x7fELF")  # fatbin, cubin


class _Device:
    def __init__(self, driver: FakeDriver, number: int) -> None:
        must(driver.ready, "init comes first")
        if number >= driver.gpu.count:
            raise LogicError("cuDeviceGet failed: invalid device ordinal")
        self._gpu, self._number = driver.gpu, number

    def name(self) -> str:
        return self._gpu.name

    def compute_capability(self) -> tuple[int, int]:
        return self._gpu.capability

    def get_attribute(self, attribute: str) -> int:
        return {"multiprocessors": self._gpu.processors}[attribute]

    def retain_primary_context(self) -> FakeContext:
        return FakeContext(self._gpu, self._number)


class _Module(Thing):
    def __init__(self, gpu: FakeGpu) -> None:
        super().__init__(gpu, "module")

    def get_function(self, name: str) -> Callable[..., None]:
        if name not in self.gpu.kernels:
            raise LogicError("cuModuleGetFunction failed: named symbol not found")

        def launch(*arguments: Any, grid: Any, block: Any, stream: FakeStream) -> None:
            self.gpu.enter()
            if any(side > most for side, most in zip((*grid, *block), _LIMITS, strict=True)) or 0 in (*grid, *block):
                raise LogicError("cuLaunchKernel failed: invalid argument")
            stream.put(lambda: self.gpu.kernels[name](grid, block, *arguments))

        return launch


class FakeDriver(ModuleType):
    """A module with the names of `pycuda.driver`, as far as they are used."""

    CompileError, Error, LaunchError, LogicError = CompileError, Error, LaunchError, LogicError
    MemoryError = OutOfMemoryError

    def __init__(self, gpu: FakeGpu) -> None:
        super().__init__("pycuda.driver")
        self.gpu, self.ready = gpu, False
        self.device_attribute = SimpleNamespace(MULTIPROCESSOR_COUNT="multiprocessors")
        self.event_flags = SimpleNamespace(DEFAULT=0, BLOCKING_SYNC=1, DISABLE_TIMING=2)
        self.Context = SimpleNamespace(pop=self._pop, synchronize=self._synchronize)
        device: Any = functools.partial(_Device, self)
        device.count = lambda: gpu.count
        self.Device = device
        self.Stream = functools.partial(FakeStream, gpu)
        self.Event = functools.partial(FakeEvent, gpu)
        self.mem_alloc = functools.partial(Allocation, gpu)

    def init(self) -> None:
        if self.gpu.init_error:
            raise LogicError(self.gpu.init_error)
        self.ready = True

    def pagelocked_empty(self, shape: int, dtype: Any) -> np.ndarray[Any, Any]:
        must(np.dtype(dtype) == np.uint8, "the double knows bytes alone")
        return np.asarray(Pages(self.gpu, shape))

    def memcpy_htod_async(self, dest: int, src: np.ndarray[Any, Any], stream: FakeStream) -> None:
        self.gpu.enter()
        pages = page_locked(src)
        must(self.gpu.device_of(dest) == self.gpu.number, "a copy goes to memory of the GPU that is current")
        self.gpu.uploads[self.gpu.number] += 1
        self.gpu.uploaded_bytes += src.nbytes
        before = src.tobytes()

        def copy() -> None:
            must(not pages.gone, "page-locked memory outlives the copy from it")
            must(src.tobytes() == before, "what is being uploaded stays as it is until the stream is done")
            self.gpu.view(dest, src.nbytes)[:] = src.reshape(-1).view(np.uint8)

        stream.put(copy, pages)

    def memcpy_dtoh_async(self, dest: np.ndarray[Any, Any], src: int, stream: FakeStream) -> None:
        self.gpu.enter()
        pages = page_locked(dest)
        must(self.gpu.device_of(src) == self.gpu.number, "a copy comes from memory of the GPU that is current")
        self.gpu.downloaded_bytes += dest.nbytes
        plain = dest.reshape(-1).view(np.uint8)
        plain.fill(EARLY)

        def copy() -> None:
            must(not pages.gone, "page-locked memory outlives the copy to it")
            plain[:] = self.gpu.view(src, dest.nbytes)

        stream.put(copy, pages)

    def memcpy_dtod_async(self, dest: int, src: int, size: int, stream: FakeStream) -> None:
        self.gpu.enter()

        def copy() -> None:
            self.gpu.view(dest, size)[:] = self.gpu.view(src, size)

        stream.put(copy)

    def module_from_buffer(self, buffer: bytes) -> _Module:
        self.gpu.enter()
        known = buffer.startswith(_IMAGES) or b"\n.version " in buffer  # of PTX
        if buffer in self.gpu.refused or not known:
            raise LogicError("cuModuleLoadDataEx failed: no kernel image is available for execution on the device")
        return _Module(self.gpu)

    def _synchronize(self) -> None:
        self.gpu.enter()
        for stream in list(self.gpu.streams.values()):
            stream.finish()

    def _pop(self) -> None:
        if not self.gpu.stack:
            raise LogicError("context::pop failed: cannot pop non-current context")
        self.gpu.stack.pop()


def page_locked(array: np.ndarray[Any, Any]) -> Pages:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    must(isinstance(base, Pages), "copies run by themselves only from and to page-locked memory")
    must(not base.gone, "page-locked memory is not used after it was freed")
    must(array.flags.c_contiguous, "a copy is of contiguous memory")
    pages: Pages = base
    return pages
