"""Memory that a worker keeps: it grows with the sizes that come by, and goes all at once."""

from __future__ import annotations

from streamseg.infer.backends.tensorrt.cuda import Address, Bytes, CudaRuntime


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
