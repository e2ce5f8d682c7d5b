"""What can run a network: the table in order of preference, and the spoken fallback."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path

from streamseg.errors import BackendError, InputError
from streamseg.infer.backends.contract import Backend

_log = logging.getLogger(__name__)


def _ort_cuda(file: Path, threads: int) -> Backend:
    from streamseg.infer.backends.ort import OrtBackend

    return OrtBackend(file, threads, "CUDAExecutionProvider")


def _ort_cpu(file: Path, threads: int) -> Backend:
    from streamseg.infer.backends.ort import OrtBackend

    return OrtBackend(file, threads)


BACKENDS: dict[str, Callable[[Path, int], Backend]] = {"ort-cuda": _ort_cuda, "ort-cpu": _ort_cpu}
"""Takes the file and the number of threads; raises BackendError where it cannot run here."""


def open_backend(file: Path, threads: int, wanted: str | None = None) -> Backend:
    """The first of `BACKENDS` that runs `file`, each refusal said once; with `wanted`, that one or none.

    Raises:
        InputError: the model itself is wrong, or `wanted` is no backend.
        BackendError: none of them runs it.
    """
    check_wanted(wanted)
    refusals: list[str] = []
    for name in BACKENDS if wanted is None else (wanted,):
        try:
            backend = BACKENDS[name](file, threads)
        except BackendError as error:
            refusals.append(f"{name}: {error.message}")
            continue
        if refusals:
            _say_once(f"{'; '.join(refusals)}; taken instead: {name}")
        return backend
    raise BackendError(f"{file}: no backend runs it here: {'; '.join(refusals)}")


@functools.cache
def _say_once(line: str) -> None:
    """Every worker opens a backend of its own; what it found missing is news the first time only."""
    _log.info("%s", line)


def check_wanted(wanted: str | None) -> None:
    """Raises InputError where `wanted` is no key of `BACKENDS`."""
    if wanted is not None and wanted not in BACKENDS:
        raise InputError(f"no backend '{wanted}'", f"one of {', '.join(BACKENDS)}")
