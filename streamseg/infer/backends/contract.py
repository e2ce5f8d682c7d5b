"""What a backend must offer: the contract between networks and the libraries that run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

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


class Backend(Protocol):
    """A network that is loaded and ready; belongs to the thread that made it."""

    @property
    def name(self) -> str:
        """For people: what runs it, and where."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """What `run` must be fed."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """What `run` gives, as far as it is known before."""

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Outputs by name, valid until the next run."""

    def close(self) -> None:
        """Frees everything; may be called twice."""
