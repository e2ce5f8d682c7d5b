"""What can run a network: the inner contract, the table in order of preference, and the spoken fallback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import BackendError, InputError

_log = logging.getLogger(__name__)

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


def _ort_cuda(file: Path, threads: int) -> Backend:
    from streamseg.infer.backends.ort import OrtBackend

    return OrtBackend(file, threads, "CUDAExecutionProvider")


def _ort_cpu(file: Path, threads: int) -> Backend:
    from streamseg.infer.backends.ort import OrtBackend

    return OrtBackend(file, threads)


BACKENDS: dict[str, Callable[[Path, int], Backend]] = {"ort-cuda": _ort_cuda, "ort-cpu": _ort_cpu}
"""Takes the file and the number of threads; raises BackendError where it cannot run here."""


def open_backend(file: Path, threads: int, wanted: str | None = None) -> Backend:
    """The first of `BACKENDS` that runs `file`; `wanted` is tried before the others, and a refusal is logged.

    Raises:
        InputError: the model itself is wrong, or `wanted` is no backend.
        BackendError: none of them runs it.
    """
    check_wanted(wanted)
    refusals: list[str] = []
    for name in sorted(BACKENDS, key=lambda name: name != wanted):
        try:
            backend = BACKENDS[name](file, threads)
        except BackendError as error:
            refusals.append(f"{name}: {error.message}")
            continue
        if refusals:
            level = logging.INFO if wanted in (None, name) else logging.WARNING
            _log.log(level, "%s; taken instead: %s", "; ".join(refusals), name)
        return backend
    raise BackendError(f"{file}: no backend runs it here: {'; '.join(refusals)}")


def check_wanted(wanted: str | None) -> None:
    """Raises InputError where `wanted` is no key of `BACKENDS`."""
    if wanted is not None and wanted not in BACKENDS:
        raise InputError(f"no backend '{wanted}'", f"one of {', '.join(BACKENDS)}")
