"""Pictures that are used again once nobody holds them, so that a frame costs no fresh memory."""

from __future__ import annotations

import weakref
from collections import deque

import numpy as np
from numpy.typing import NDArray


class Pool:
    """Hands out pictures, u8 arrays of any shape; one thread takes, any may let go.

    A 720p picture is above malloc's threshold: fresh ones are mapped, faulted in page by page and unmapped again,
    which costs about as much as drawing into them. A caller that keeps a picture simply keeps it: a picture (or a
    view of it) that is still referenced anywhere is never handed out again.
    """

    def __init__(self, limit: int = 16) -> None:
        """Keeps `limit` pictures that nobody holds; further ones are freed."""
        self._free: deque[NDArray[np.uint8]] = deque(maxlen=limit)  # both ends are safe from any thread

    def take(self, *shape: int) -> NDArray[np.uint8]:
        """A writable picture with undefined content."""
        memory = self._unused(shape)
        # NumPy keeps the memoryview as the base of the picture and so of all its views. When it goes, nobody is left.
        # Reference counts would not do: since CPython 3.14 they leave out references that are borrowed.
        image: NDArray[np.uint8] = np.asarray(memory.data)
        weakref.finalize(image.base, self._free.append, memory).atexit = False
        return image

    def _unused(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        while self._free:
            memory = self._free.pop()
            if memory.shape == shape:  # another one is of a size that is past
                return memory
        return np.empty(shape, np.uint8)
