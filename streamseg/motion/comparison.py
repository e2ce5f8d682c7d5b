"""Whether masks that were carried in two ways are the same, as far as that can be told by now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
_ALIKE = 0.99  # of the pixels of a mask: where fewer are, it is looked at how many changed at all
_UNLIKE = 0.3  # of the pixels that changed: of a right GPU up to 0.24 on films of fast and bending things
_CHANGED = 0.005  # of the pixels of one mask, summed over masks: fewer that changed tell nothing
_MASKS = 100  # that are compared where next to nothing moves


class Comparison:
    """Of the same way on the GPU and on the CPU, mask by mask, until enough has changed in them."""

    def __init__(self) -> None:
        self.unlike: float | None = None
        """Share of the pixels in which they differ, once it is known that they do."""
        self._masks = 0
        self._changed = self._differs = 0.0

    def __call__(self, before: Plane, here: Plane, there: Plane) -> bool:
        """Whether all masks so far were the same, and that says something.

        Each (h, w) u8: what was found, and what the CPU and the GPU made of it.
        """
        # Of two sizes, across a cut; nothing was done there; or nothing in it could be wrong.
        if here.shape != there.shape or there is before or here.min() == here.max():
            return False
        changed = float(np.mean(here != before)) if here.shape == before.shape else 0.0
        differs = float(np.mean(here != there))
        self._masks += 1
        self._changed, self._differs = self._changed + changed, self._differs + differs
        few = self._differs <= _UNLIKE * self._changed
        if differs > 1 - _ALIKE and differs > _UNLIKE * changed:
            self.unlike = differs
        elif self._masks >= _MASKS and self._changed >= _CHANGED and not few:
            self.unlike = self._differs / self._masks
        return self.unlike is None and (few and self._changed >= _CHANGED or self._masks >= _MASKS)
