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

    def __init__(self, cuda: CudaRuntime, owner: object, kernels: Kernels | None = None) -> None:
        """With `kernels` that are there already, or with others.

        Raises:
            BackendError: the GPU has no room for it.
        """
        self.cuda = cuda
        self._stream: Stream | None = None
        with cuda.current():
            self.pool, self.buffers = Pool(cuda), Buffers(cuda)
            self.kernels, self._stream = kernels or Kernels(cuda), cuda.make_stream()
        weakref.finalize(owner, self._let_go).atexit = False

    @property
    def stream(self) -> Stream:
        """Their own, used while the GPU's context is current, as is all else."""
        assert self._stream is not None
        return self._stream

    def _let_go(self) -> None:
        with contextlib.suppress(BackendError), self.cuda.current():
            self._stream = None
            self.pool.close()
            self.buffers.free()
