"""A double of a GPU and its driver, as pycuda shows them, that breaks the test where a program breaks a rule of CUDA.

Copies and passes happen when their stream is waited for, not before: an earlier read sees 0xCD. What is in a
stream and points to freed memory is a fault. Any thread may use anything, while the context is current there; what is
let go without it, in another thread than the context's own, stays on the GPU with a warning. A GPU that failed still
lets its context be pushed and popped, and answers everything else with the same error. What a real driver answers with
an error, this one does too (`LogicError`, `LaunchError`, `MemoryError`); what it would let pass or leave undefined is
`ContractBrokenError`, which nobody catches.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.parts.cuda_errors import EARLY, FREED, LaunchError, LogicError, OutOfMemoryError, must


@dataclass(eq=False)
class FakeGpu:
    """The device and everything on it; one for all threads."""

    name: str = "Test GPU"
    capability: tuple[int, int] = (8, 6)
    processors: int = 24
    room_bytes: int = 1 << 30
    lost: bool = False
    lost_alone: int | None = None
    """Where there are several and it is `lost`: only the one of this number."""
    count: int = 1
    init_error: str = ""
    broken: list[str] = field(default_factory=list)
    """Rules broken where an exception would go unheard: in clean-up."""
    memory: dict[int, Allocation] = field(default_factory=dict)
    kept: weakref.WeakKeyDictionary[object, int] = field(default_factory=weakref.WeakKeyDictionary)
    """What else takes GPU memory, engines and the like, and how many bytes."""
    things: list[str] = field(default_factory=list)
    """Streams, events, modules and page-locked memory that were not given back."""
    streams: weakref.WeakValueDictionary[int, FakeStream] = field(default_factory=weakref.WeakValueDictionary)
    meet: threading.Barrier | None = None
    """Where so many threads must wait for their streams at once before any goes on."""
    most_in_flight: int = 0
    slept: int = 0
    """Waits that kept no core busy."""
    spun: int = 0
    """Waits that did."""
    uploaded_bytes: int = 0
    uploads: Counter[int] = field(default_factory=Counter)
    """Copies to each device."""
    downloaded_bytes: int = 0
    refused: list[bytes] = field(default_factory=list)
    """Images of kernels that hold none for this GPU."""
    kernels: dict[str, Callable[..., None]] = field(default_factory=dict)
    default: DefaultStream = field(default_factory=lambda: DefaultStream())
    _next: int = 0x7000_0000
    _local: threading.local = field(default_factory=threading.local)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    running: threading.RLock = field(default_factory=threading.RLock)
    """Held while a stream does what is in it, so that who waits for it from another thread finds it done."""

    @property
    def stack(self) -> list[FakeContext]:
        """The contexts of this thread."""
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        stack: list[FakeContext] = self._local.stack
        return stack

    def enter(self) -> FakeContext:
        """What every call into a context checks first."""
        if not self.stack:
            raise LogicError("cuCtxGetCurrent failed: invalid device context - no currently active context?")
        self.answer()
        return self.stack[-1]

    @property
    def number(self) -> int:
        """The device whose context is current."""
        return self.stack[-1].number

    def device_of(self, address: int) -> int:
        """The device whose memory that is; where it is nobody's, the current one, which finds that out later."""
        blocks = list(self.memory.items())
        found = (each.context.number for start, each in blocks if start <= address < start + each.data.size)
        return next(found, self.number)

    @property
    def failed(self) -> bool:
        """Whether the device whose context is current is lost."""
        return self.lost and self.lost_alone in (None, self.number)

    def answer(self) -> None:
        """A GPU that failed answers nothing any more."""
        if self.failed:
            raise LaunchError("cuCtxSynchronize failed: unspecified launch failure")

    def records(self, handle: int) -> bool:
        """pycuda has no stream that does."""
        return False

    def spoil(self) -> None:
        """What no graph can hold: of which there is none."""

    def refuse(self, image: bytes) -> None:
        self.refused.append(image)

    @property
    def held_bytes(self) -> int:
        """Of its memory."""
        return sum(each.data.size for each in list(self.memory.values())) + sum(list(self.kept.values()))

    def has_room(self, size: int) -> bool:
        return self.held_bytes + size <= self.room_bytes

    def address(self, size: int) -> int:
        with self._lock:
            self._next += -(-size // 256) * 256 + 256
            return self._next - (-(-size // 256) * 256 + 256)

    def view(self, address: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """What lies there; the end of this GPU where that is not one living allocation."""
        for start, allocation in list(self.memory.items()):
            if start <= address and address + size <= start + allocation.data.size:
                return allocation.data[address - start : address - start + size]
        self.lost = True
        raise LogicError(f"cuEventSynchronize failed: an illegal memory access was encountered: {size} at {address:#x}")

    def leaks(self) -> list[str]:
        """What was not given back."""
        found = [f"{allocation.data.size} bytes of GPU memory" for allocation in self.memory.values()]
        found += [f"{size} bytes of an engine's" for size in self.kept.values()]
        return [*found, *self.things, *("a context on this thread's stack" for _ in self.stack)]

    def in_flight(self) -> None:
        with self._lock:
            self.most_in_flight = max(self.most_in_flight, sum(bool(s.waiting) for s in list(self.streams.values())))


class FakeContext:
    def __init__(self, gpu: FakeGpu, number: int) -> None:
        self.gpu, self.number, self.thread, self.retained = gpu, number, threading.get_ident(), True

    def push(self) -> None:
        self.gpu.stack.append(self)

    def detach(self) -> None:
        if not self.retained:
            raise LogicError("context::detach failed: invalid device context - cannot detach from invalid context")
        self.retained = False


class Thing:
    """What belongs to a context: it goes back while that is current, or in the thread that retained it, or never."""

    def __init__(self, gpu: FakeGpu, called: str) -> None:
        self.context = gpu.enter()
        self.gpu, self.called, self.gone = gpu, called, False
        gpu.things.append(called)

    def let_go(self) -> bool:
        """Whether it went; of a GPU that is lost nothing is left that could."""
        if not self.gone and not self.gpu.lost and not self.gpu.stack and threading.get_ident() != self.context.thread:
            said = f"{self.called} in out-of-thread context could not be cleaned up"
            self.gpu.broken.append(said)
            warnings.warn(said, stacklevel=2)
            return False
        if not self.gone:
            self.gpu.things.remove(self.called)
        self.gone = True
        return True

    def __del__(self) -> None:
        if hasattr(self, "gone") and not self.gone:
            self.let_go()


class Allocation(Thing):
    """`DeviceAllocation`: an address that can be freed."""

    def __init__(self, gpu: FakeGpu, size: int) -> None:
        gpu.enter()
        if not size:
            raise LogicError("cuMemAlloc failed: invalid argument")
        if not gpu.has_room(size):
            raise OutOfMemoryError("cuMemAlloc failed: out of memory")
        super().__init__(gpu, "device allocation")
        self.data: np.ndarray[Any, np.dtype[np.uint8]] = np.full(size, EARLY, np.uint8)
        self._address = gpu.address(size)
        gpu.memory[self._address] = self

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        must(self._address in self.gpu.memory, "memory is freed once")
        if self.let_go():
            self.data.fill(FREED)
            del self.gpu.memory[self._address]


class Pages(Thing):
    """`PagelockedHostAllocation`: the base of an array."""

    def __init__(self, gpu: FakeGpu, size: int) -> None:
        super().__init__(gpu, "page-locked memory")
        self.data = np.full(size, EARLY, np.uint8)
        self.__array_interface__ = self.data.__array_interface__

    def free(self) -> None:
        must(not self.gone, "pages are unlocked once")
        if any(self in stream.copied for stream in list(self.gpu.streams.values())) and not self.gpu.lost:
            self.gpu.broken.append("page-locked memory outlives the copies that are under way")
        if self.let_go():
            self.data.fill(FREED)


class DefaultStream:
    """What others than streamseg put their work into; nobody waits for it but who asks."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def finish(self) -> None:
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()


class FakeStream(Thing):
    def __init__(self, gpu: FakeGpu, flags: int = 0) -> None:
        super().__init__(gpu, "stream")
        self.handle = gpu.address(1)
        self.waiting: list[Callable[[], None]] = []
        self.copied: list[Pages] = []
        """What copies that wait read and write."""
        gpu.streams[self.handle] = self

    def put(self, work: Callable[[], None], *pages: Pages) -> None:
        must(self.gpu.number == self.context.number, "a stream takes work while the context of its own GPU is current")
        with self.gpu.running:
            self.waiting.append(work)
            self.copied += pages
        self.gpu.in_flight()

    def wait_for_event(self, event: FakeEvent) -> None:
        self.gpu.enter()
        self.put(event.before())

    def synchronize(self) -> FakeStream:
        self.gpu.enter()
        self.gpu.spun += 1
        self.finish()
        return self

    def finish(self) -> None:
        if self.gpu.meet and self.waiting:
            self.gpu.meet.wait(30)
        with self.gpu.running:
            waiting, self.waiting, self.copied = self.waiting, [], []
            for work in waiting:
                work()


class FakeEvent(Thing):
    """A place in a stream."""

    def __init__(self, gpu: FakeGpu, flags: int = 0) -> None:
        super().__init__(gpu, "event")
        self._sleeps = bool(flags & 1)
        self._stream: FakeStream | DefaultStream | None = None

    def record(self, stream: FakeStream | None = None) -> FakeEvent:
        self.gpu.enter()
        self._stream = stream or self.gpu.default
        return self

    def before(self) -> Callable[[], None]:
        """Finishes what was in the stream when it was recorded."""
        must(self._stream is not None, "an event is waited for once it was recorded")
        assert self._stream is not None
        return self._stream.finish

    def synchronize(self) -> FakeEvent:
        self.gpu.enter()
        self.gpu.slept += self._sleeps
        self.gpu.spun += not self._sleeps
        if self._stream is not None:
            self._stream.finish()
        return self
