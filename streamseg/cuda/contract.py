"""A GPU behind a small contract; `driver` and `bindings` fulfil it.

Everything happens in the device's primary context, which TensorRT, ONNX Runtime and PyTorch use too: a second context
could not see their memory. It is current only inside `with cuda.current()`, so the thread's stack is left as it was.

The rule of threads, for all that is on a GPU: whatever belongs to one worker is used by one thread at a time, which may
be another each time, and made, used and let go inside `current()`. What goes elsewhere stays on the GPU for ever.
Kernels alone, which nothing is written into, are shared by threads.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

DRIVER_HINT = "install NVIDIA's driver; `nvidia-smi` must list the GPU"
FAILED_HINT = "`nvidia-smi` and the system's log say more"

Address = int
"""Of memory on the GPU."""
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Gpu:
    """What an engine is built for, and which of those that there are."""

    name: str
    architecture: str
    """As `--for` has it: "sm86"."""
    processors: int
    """Streaming multiprocessors: cards of one name may differ in them."""
    number: int = 0
    """As CUDA counts; an engine runs on any other of the same kind."""

    def __str__(self) -> str:
        return f"{self.name} ({self.architecture}, {self.processors} multiprocessors)"


class Stream(Protocol):
    """Work for the GPU in the order in which it was put in."""

    @property
    def handle(self) -> int:
        """CUDA's own, as TensorRT wants it."""

    def follow_default(self) -> None:
        """What is put in from here on begins when all is done that others have put into CUDA's default stream."""

    def synchronize(self) -> object:
        """Sleeps until everything in it is done; only then are downloads there."""


class Graph(Protocol):
    """Work for the GPU that was recorded, with all its addresses; let go when it is forgotten, in its context."""

    def launch(self, stream: Stream) -> None:
        """Begins it again, behind everything in `stream`."""


class CudaRuntime(Protocol):
    """One GPU. All but `gpu` and `current` need the context to be current in the thread that calls.

    What goes wrong is a BackendError, at the latest where `current` ends.
    """

    @property
    def gpu(self) -> Gpu:
        """Which one it is."""

    def current(self) -> AbstractContextManager[None]:
        """Makes the context this thread's own for a while; may be nested."""

    def check(self) -> None:
        """Raises BackendError where the GPU answers nothing more."""

    def make_stream(self) -> Stream:
        """A stream of its own, let go when it is forgotten."""

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

    def record(self, work: Callable[[], None], stream: Stream) -> Graph:
        """What `work` puts into `stream`, which is not begun; BackendError where that cannot be recorded."""

    def copy(self, target: Address, source: Address, size_bytes: int, stream: Stream) -> None:
        """Begins to copy on the GPU."""

    def compile(self, source: str) -> bytes:
        """CUDA C++ for this GPU; takes nvcc."""

    def load(self, image: bytes) -> Any:
        """A module of kernels, compiled: cubin, fatbin or PTX; let go when it is forgotten."""

    def launch(self, module: Any, kernel: str, threads: tuple[int, int, int], task: Any, stream: Stream) -> None:
        """Begins a kernel with at least so many threads (x, y, z); `task` is the struct that it takes, a NumPy void."""
