"""Pictures that are used again once nobody holds them, so that a frame costs no fresh memory."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

# Seen from inside `take`: the list's own reference, the loop variable and getrefcount's argument.
_ONLY_THE_POOL = 3


class Pool:
    """Hands out pictures, u8 arrays of any shape; belongs to one thread.

    A 720p picture is above malloc's threshold: fresh ones are mapped, faulted in page by page and unmapped again,
    which costs about as much as drawing into them. Whoever keeps a picture simply keeps it: a picture (or a view of
    it) that is still referenced anywhere is never handed out again.
    """

    def __init__(self, limit: int = 16) -> None:
        self._pictures: list[NDArray[np.uint8]] = []
        self._limit = limit

    def take(self, *shape: int) -> NDArray[np.uint8]:
        """A writable picture with undefined content."""
        for picture in self._pictures:
            if sys.getrefcount(picture) <= _ONLY_THE_POOL and picture.shape == shape:
                picture.setflags(write=True)
                return picture
        if len(self._pictures) >= self._limit:
            self._pictures.pop(0)
        fresh = np.empty(shape, np.uint8)
        self._pictures.append(fresh)
        return fresh
