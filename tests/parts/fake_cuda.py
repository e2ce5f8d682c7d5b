"""A double of a GPU and its driver that breaks the test where a program breaks a rule of CUDA.

Copies and passes happen when their stream is waited for, not before: whoever looks earlier sees 0xCD. Memory is freed
once, in the thread and the context that it came from; what is in a stream and points to freed memory is a fault. What a
real driver answers with an error, this one does too (`LogicError`, `LaunchError`, `MemoryError`); what it would let
pass or leave undefined is `ContractBrokenError`, which nobody catches.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

EARLY, FREED = 0xCD, 0xDD


class ContractBrokenError(AssertionError):
    """A rule that a real driver does not watch over."""


class Error(Exception):
    """Base of what the driver reports."""


class LogicError(Error):
    pass


class LaunchError(Error):
    pass


class CompileError(Error):
    pass


class OutOfMemoryError(Error, MemoryError):
    """`pycuda.driver.MemoryError`."""


def must(kept: bool, rule: str) -> None:
    if not kept:
        raise ContractBrokenError(rule)


@dataclass(eq=False)
class FakeGpu:
    """The device and everything on it; one for all threads."""

    name: str = "Test GPU"
    capability: tuple[int, int] = (8, 6)
    processors: int = 24
    room_bytes: int = 1 << 30
    lost: bool = False
    count: int = 1
    init_error: str = ""
    broken: list[str] = field(default_factory=list)
    """Rules broken where an exception would go unheard: in clean-up."""
    memory: dict[int, Allocation] = field(default_factory=dict)
    pages: list[Pages] = field(default_factory=list)
    streams: weakref.WeakValueDictionary[int, FakeStream] = field(default_factory=weakref.WeakValueDictionary)
    meet: threading.Barrier | None = None
    """Where so many threads must wait for their streams at once before any goes on."""
    most_in_flight: int = 0
    uploaded_bytes: int = 0
    downloaded_bytes: int = 0
    refused: list[bytes] = field(default_factory=list)
    """Images of kernels that hold none for this GPU."""
    kernels: dict[str, Callable[..., None]] = field(default_factory=dict)
    _next: int = 0x7000_0000
    _local: threading.local = field(default_factory=threading.local)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def stack(self) -> list[FakeContext]:
        """The contexts of this thread."""
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        stack: list[FakeContext] = self._local.stack
        return stack

    def answer(self) -> None:
        """A GPU that failed answers nothing any more."""
        if self.lost:
            raise LaunchError("cuCtxSynchronize failed: unspecified launch failure")

    def enter(self) -> None:
        """What every call into a context checks first."""
        self.answer()
        if not self.stack:
            raise LogicError("cuCtxGetCurrent failed: invalid device context")

    def address(self, size: int) -> int:
        with self._lock:
            self._next += -(-size // 256) * 256 + 256
            return self._next - (-(-size // 256) * 256 + 256)

    def view(self, address: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """What lies there; a fault where that is not one living allocation."""
        for start, allocation in list(self.memory.items()):
            if start <= address and address + size <= start + allocation.data.size:
                return allocation.data[address - start : address - start + size]
        raise LaunchError(f"an illegal memory access was encountered: {size} bytes at {address:#x}")

    def leaks(self) -> list[str]:
        """What was not given back."""
        found = [f"{allocation.data.size} bytes of GPU memory" for allocation in self.memory.values()]
        found += ["page-locked memory" for pages in self.pages if not pages.freed]
        found += ["a stream" for _ in self.streams]
        return found + ["a context on this thread's stack" for _ in self.stack]

    def in_flight(self) -> None:
        with self._lock:
            self.most_in_flight = max(self.most_in_flight, sum(bool(s.waiting) for s in list(self.streams.values())))


class FakeContext:
    def __init__(self, gpu: FakeGpu) -> None:
        self.gpu = gpu
        self.thread = threading.get_ident()

    def push(self) -> None:
        must(threading.get_ident() == self.thread, "a context is pushed in the thread that retained it")
        self.gpu.answer()
        self.gpu.stack.append(self)


class Allocation:
    """`DeviceAllocation`: an address that can be freed."""

    def __init__(self, gpu: FakeGpu, size: int) -> None:
        gpu.enter()
        if not size:
            raise LogicError("cuMemAlloc failed: invalid argument")
        if sum(each.data.size for each in gpu.memory.values()) + size > gpu.room_bytes:
            raise OutOfMemoryError("cuMemAlloc failed: out of memory")
        self.gpu, self.thread = gpu, threading.get_ident()
        self.data: np.ndarray[Any, np.dtype[np.uint8]] = np.full(size, EARLY, np.uint8)
        self._address = gpu.address(size)
        gpu.memory[self._address] = self

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        self.gpu.enter()
        must(threading.get_ident() == self.thread, "memory is freed in the thread that owns it")
        must(self._address in self.gpu.memory, "memory is freed once")
        self.data.fill(FREED)
        del self.gpu.memory[self._address]


class Pages:
    """`PagelockedHostAllocation`: the base of an array."""

    def __init__(self, gpu: FakeGpu, size: int) -> None:
        gpu.enter()
        self.gpu, self.freed, self.thread = gpu, False, threading.get_ident()
        self.data = np.full(size, EARLY, np.uint8)
        self.__array_interface__ = self.data.__array_interface__
        gpu.pages.append(self)

    def free(self) -> None:
        self.gpu.enter()
        must(threading.get_ident() == self.thread, "pages are unlocked in the thread that owns them")
        must(not self.freed, "pages are unlocked once")
        self.freed = True
        self.data.fill(FREED)


class FakeStream:
    def __init__(self, gpu: FakeGpu, flags: int = 0) -> None:
        self.gpu, self.thread = gpu, threading.get_ident()
        gpu.enter()
        self.handle = gpu.address(1)
        self.waiting: list[Callable[[], None]] = []
        gpu.streams[self.handle] = self

    def put(self, work: Callable[[], None]) -> None:
        must(threading.get_ident() == self.thread, "a stream is used in the thread that owns it")
        self.waiting.append(work)
        self.gpu.in_flight()

    def synchronize(self) -> FakeStream:
        self.gpu.enter()
        must(threading.get_ident() == self.thread, "a stream is used in the thread that owns it")
        if self.gpu.meet and self.waiting:
            self.gpu.meet.wait(30)
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()
        return self

    def __del__(self) -> None:
        if threading.get_ident() != self.thread:
            self.gpu.broken.append("a stream goes in the thread that owns it")


def page_locked(array: np.ndarray[Any, Any]) -> Pages:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    must(isinstance(base, Pages), "copies run by themselves only from and to page-locked memory")
    must(not base.freed, "page-locked memory is not used after it was freed")
    must(array.flags.c_contiguous, "a copy is of contiguous memory")
    pages: Pages = base
    return pages
