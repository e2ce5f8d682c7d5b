"""Inputs and outputs of a network: arrays, and what is known of them before any is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a network."""

    name: str
    shape: tuple[int | None, ...] | None
    """None where a side is free; None altogether where not even the rank is told."""
    dtype: np.dtype[Any]

    @property
    def is_picture(self) -> bool:
        """Whether it takes what a file of a picture holds: (N, H, W, 3) u8."""
        return self.dtype == np.uint8 and self.shape is not None and len(self.shape) == 4 and self.shape[3] == 3


def agree(one: Sequence[int | None] | None, other: Sequence[int | None] | None) -> bool:
    """Whether two shapes may be of one tensor: as many sides, each free in one of them or the same."""
    if one is None or other is None:
        return True
    return len(one) == len(other) and all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))
