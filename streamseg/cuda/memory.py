"""Memory that a worker keeps: it grows with the sizes that come by, and goes all at once."""

from __future__ import annotations

import contextlib
import weakref

from streamseg.cuda.contract import Address, Bytes, CudaRuntime
from streamseg.errors import BackendError


class Lent:
    """Memory on the GPU until it is forgotten."""

    def __init__(self, address: Address) -> None:
        self.address = address


class Pool:
    """Memory on the GPU that comes back by itself, from whatever thread forgets it; the context must be current."""

    def __init__(self, cuda: CudaRuntime) -> None:
        self._cuda = cuda
        self._free: dict[int, list[Address]] = {}
        self._closed = False

    def take(self, size_bytes: int) -> Lent:
        """So many bytes; what is in them is left over."""
        free = self._free.setdefault(size_bytes, [])
        try:
            address = free.pop()  # in one step: another thread may take the last
        except IndexError:
            address = self._cuda.allocate(size_bytes)
        lent = Lent(address)
        weakref.finalize(lent, self._back, free, lent.address).atexit = False
        return lent

    def close(self) -> None:
        """Frees what is there; what comes back later is freed then."""
        self._closed = True
        for free in list(self._free.values()):
            while free:
                self._cuda.free(free.pop())

    def _back(self, free: list[Address], address: Address) -> None:
        if not self._closed:
            free.append(address)
            return
        with contextlib.suppress(BackendError), self._cuda.current():  # of a GPU that failed
            self._cuda.free(address)


class Buffers:
    """Memory by name, page-locked and on the GPU, that grows when it must; the context must be current."""

    def __init__(self, cuda: CudaRuntime) -> None:
        self._cuda = cuda
        self._on_gpu: dict[str, tuple[int, Address]] = {}
        self._locked: dict[str, Bytes] = {}

    def on_gpu(self, name: str, size_bytes: int) -> Address:
        """At least so many bytes; what was there is lost when it grows."""
        held, address = self._on_gpu.get(name, (-1, 0))
        if size_bytes <= held:
            return address
        if held >= 0:
            self._cuda.free(self._on_gpu.pop(name)[1])
        address = self._cuda.allocate(size_bytes)
        self._on_gpu[name] = size_bytes, address
        return address

    def locked(self, name: str, size_bytes: int) -> Bytes:
        """Exactly so many bytes, a view."""
        held = self._locked.get(name)
        if held is None or held.size < size_bytes:
            if held is not None:
                self._cuda.unlock_pages(self._locked.pop(name))
            held = self._locked[name] = self._cuda.lock_pages(size_bytes)
        return held[:size_bytes]

    def free(self) -> None:
        """All of it."""
        while self._on_gpu:
            self._cuda.free(self._on_gpu.popitem()[1][1])
        while self._locked:
            self._cuda.unlock_pages(self._locked.popitem()[1])
