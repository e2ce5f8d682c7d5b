"""What can run a network: the table in order of preference, and the spoken fallback."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from streamseg.errors import BackendError, InputError
from streamseg.infer.backends.contract import Backend, Stopped
from streamseg.machine import nvidia_driver

_log = logging.getLogger(__name__)
T = TypeVar("T")


def _tensorrt(file: Path, threads: int, stopped: Stopped) -> Backend:
    from streamseg.infer.backends.tensorrt.opening import open_tensorrt

    return open_tensorrt("tensorrt", file, stopped)


def _tensorrt_rtx(file: Path, threads: int, stopped: Stopped) -> Backend:
    from streamseg.infer.backends.tensorrt.opening import open_tensorrt

    return open_tensorrt("tensorrt-rtx", file, stopped)


def _ort_cuda(file: Path, threads: int, stopped: Stopped) -> Backend:
    from streamseg.infer.backends.ort import OrtBackend

    return OrtBackend(file, threads, "CUDAExecutionProvider")


def _ort_cpu(file: Path, threads: int, stopped: Stopped) -> Backend:
    from streamseg.infer.backends.ort import OrtBackend

    return OrtBackend(file, threads)


def _ort_cpu_spin(file: Path, threads: int, stopped: Stopped) -> Backend:
    from streamseg.infer.backends.ort import OrtBackend

    return OrtBackend(file, threads, spinning=True)


def _openvino(file: Path, threads: int, stopped: Stopped) -> Backend:
    from streamseg.infer.backends.openvino import OpenVinoBackend

    return OpenVinoBackend(file, threads)


def _openvino_bf16(file: Path, threads: int, stopped: Stopped) -> Backend:
    from streamseg.infer.backends.openvino import OpenVinoBackend

    return OpenVinoBackend(file, threads, "bf16")


BACKENDS: dict[str, Callable[[Path, int, Stopped], Backend]] = {
    "tensorrt": _tensorrt,
    "tensorrt-rtx": _tensorrt_rtx,
    "ort-cuda": _ort_cuda,
    "ort-cpu": _ort_cpu,
    "openvino": _openvino,  # in fp32 no quicker than ONNX Runtime
}
"""Takes the file and the number of threads; raises BackendError where it cannot run here."""

SAID: dict[str, object] = {}
ON_NVIDIA = ("tensorrt", "tensorrt-rtx", "ort-cuda")

ON_REQUEST: dict[str, Callable[[Path, int, Stopped], Backend]] = {
    "openvino-bf16": _openvino_bf16,
    "ort-cpu-spin": _ort_cpu_spin,
}
"""Taken only where named, or where `streamseg tune` found them quicker and right."""


REFERENCE = "ort-cpu"
"""What the labels of the others are held against."""


def openers(
    file: Path, threads: int, wanted: str | None = None, stopped: Stopped = lambda: False
) -> dict[str, Callable[[], Backend]]:
    """What opens `file`, by name, in the order in which they are tried; with `wanted`, that one alone.

    Raises:
        InputError: `wanted` is no backend.
    """
    check_wanted(wanted)
    names = BACKENDS if wanted is None else (wanted,)
    return {name: functools.partial((BACKENDS | ON_REQUEST)[name], file, threads, stopped) for name in names}


def open_backend(file: Path, threads: int, wanted: str | None = None, stopped: Stopped = lambda: False) -> Backend:
    """The first of `BACKENDS` that runs `file`, each refusal said once; with `wanted`, that one or none.

    The first may take minutes to build an engine, unless `stopped` becomes true.

    Raises:
        InputError: the model itself is wrong, or `wanted` is no backend.
        BackendError: none of them runs it.
        KeyboardInterrupt: `stopped` ended it.
    """
    return first_that_opens(str(file), openers(file, threads, wanted, stopped))[1]


def first_that_opens(what: str, attempts: Mapping[str, Callable[[], T]]) -> tuple[str, T]:
    """Name and result of the first attempt that is no BackendError; what was missing is said once, a line each.

    Raises:
        BackendError: all of them were; the message has every reason.
    """
    refusals: dict[str, BackendError] = {}
    for name, attempt in attempts.items():
        try:
            opened = attempt()
        except BackendError as error:
            # Without what led to it: that would keep alive what was half open, on a GPU perhaps.
            refusals[name] = BackendError(error.message, error.hint)
            continue
        lines = _said(refusals)
        for line in [*lines[:-1], *(f"{line}; taken instead: {name}" for line in lines[-1:])]:
            say_once(line)
        return name, opened
    if len(refusals) == 1:
        ((name, only),) = refusals.items()
        raise BackendError(f"{what}: {name} does not run it here: {only.message}", only.hint)
    reasons = "; ".join(f"{name}: {each.message}" for name, each in refusals.items())
    raise BackendError(f"{what}: no backend runs it here: {reasons}", "`streamseg doctor` says how to get them")


def _said(refusals: Mapping[str, BackendError]) -> list[str]:
    """A line each; those for an NVIDIA GPU share one where there is none."""
    passed = [] if nvidia_driver() else [name for name in refusals if name in ON_NVIDIA]
    lines = [f"{name}: {why}" for name, why in refusals.items() if name not in passed]
    return [f"no NVIDIA GPU for {', '.join(passed)} (`streamseg doctor` says more)", *lines] if passed else lines


def say_once(line: str) -> None:
    """Every worker opens a backend of its own, all at once; what they find missing is news one time only."""
    mine = object()
    if SAID.setdefault(line, mine) is mine:  # one step, unlike a look and an entry
        _log.info("%s", line)


def check_wanted(wanted: str | None) -> None:
    """Raises InputError where `wanted` is no backend's name."""
    if wanted is not None and wanted not in BACKENDS | ON_REQUEST:
        raise InputError(f"no backend '{wanted}'", f"one of {', '.join(BACKENDS | ON_REQUEST)}")
