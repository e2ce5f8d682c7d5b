"""What a worker has on a GPU beside an engine; it goes when its owner is forgotten, whatever thread does that."""

from __future__ import annotations

import contextlib
import weakref

from streamseg.cuda.contract import CudaRuntime, Stream
from streamseg.cuda.kernels import Kernels
from streamseg.cuda.memory import Buffers, Pool
from streamseg.errors import BackendError


class Parts:
    """A stream, the kernels and memory of one owner."""

    def __init__(self, cuda: CudaRuntime, owner: object) -> None:
        """Raises BackendError where the GPU has no room for it."""
        self.cuda = cuda
        self._kernels: Kernels | None = None
        self._stream: Stream | None = None
        with cuda.current():
            self.pool, self.buffers = Pool(cuda), Buffers(cuda)
            self._kernels, self._stream = Kernels(cuda), cuda.make_stream()
        weakref.finalize(owner, self._let_go).atexit = False

    @property
    def kernels(self) -> Kernels:
        """Used while the GPU's context is current, as is the rest."""
        assert self._kernels is not None
        return self._kernels

    @property
    def stream(self) -> Stream:
        """Their own."""
        assert self._stream is not None
        return self._stream

    def _let_go(self) -> None:
        with contextlib.suppress(BackendError), self.cuda.current():
            self._stream = self._kernels = None
            self.pool.close()
            self.buffers.free()
