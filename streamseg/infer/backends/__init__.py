"""What can run a network: the table in order of preference, and the spoken fallback."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from streamseg import entrypoints
from streamseg.errors import BackendError
from streamseg.infer.backends.contract import Backend, Stopped
from streamseg.infer.backends.faults import ON_DEVICES, ON_NVIDIA, check_cuda, stepping_down
from streamseg.infer.backends.kserve.place import is_remote as is_remote
from streamseg.infer.backends.kserve.place import read_places
from streamseg.machine import nvidia_driver, version_of
from streamseg.said import Said

if TYPE_CHECKING:
    from streamseg.infer.backends.openvino import Precision
    from streamseg.infer.backends.tensorrt.library import Kind

_log = logging.getLogger(__name__)
T = TypeVar("T")


Opener = Callable[[Path, int, Stopped], Backend]
"""Takes the file and the number of threads; raises BackendError where it cannot run here."""


def _tensorrt(kind: Kind, gpu: int) -> Opener:
    def opened(file: Path, threads: int, stopped: Stopped) -> Backend:
        from streamseg.infer.backends.tensorrt.load import open_tensorrt

        return open_tensorrt(kind, file, stopped, gpu)

    return opened


def _ort(provider: str = "CPU", gpu: int = 0, *, spinning: bool = False) -> Opener:
    def opened(file: Path, threads: int, stopped: Stopped) -> Backend:
        from streamseg.infer.backends.ort import OrtBackend

        return OrtBackend(file, threads, f"{provider}ExecutionProvider", gpu, spinning=spinning)

    return opened


def _openvino(device: str = "CPU", precision: Precision = "f32") -> Opener:
    def opened(file: Path, threads: int, stopped: Stopped) -> Backend:
        from streamseg.infer.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(file, threads, precision, device)

    return opened


_ON_GPU: dict[str, Callable[[int], Opener]] = {
    "tensorrt": functools.partial(_tensorrt, "tensorrt"),
    "tensorrt-rtx": functools.partial(_tensorrt, "tensorrt-rtx"),
    "ort-cuda": functools.partial(_ort, "CUDA"),
}
"""Makes an opener for the NVIDIA GPU of that number."""

BACKENDS: dict[str, Opener] = {
    **{name: make(0) for name, make in _ON_GPU.items()},
    "ort-cpu": _ort(),
    "openvino": _openvino(),  # in fp32 no quicker than ONNX Runtime
}
"""In the order in which a run tries them, which measures none: no other GPU stands here, as it may be the slower."""

ON_REQUEST: dict[str, Opener] = {
    "openvino-bf16": _openvino(precision="bf16"),
    "openvino-gpu": _openvino("GPU"),
    "openvino-npu": _openvino("NPU"),
    "ort-coreml": _ort("CoreML"),
    "ort-directml": _ort("Dml"),
    "ort-migraphx": _ort("MIGraphX"),
    "ort-qnn": _ort("QNN"),
    "ort-cpu-spin": _ort(spinning=True),
}
"""Taken only where named, or where `streamseg tune` found them quicker and right."""

_ON_A_DEVICE = 2  # workers
_AT_SERVERS = 4  # workers: while one waits for its answer, others prepare and draw
REFERENCE = "ort-cpu"
"""What the labels of the others are held against."""


def openers(
    file: Path, threads: int, wanted: str | None = None, stopped: Stopped = lambda: False, gpu: int = 0
) -> dict[str, Callable[[], Backend]]:
    """What opens `file`, by name, in the order in which they are tried; with `wanted`, that one alone.

    `gpu` is the number of an NVIDIA GPU, as CUDA counts them.

    Raises:
        InputError: `wanted` is no backend.
    """
    check_wanted(wanted)
    if wanted is not None and is_remote(wanted):
        from streamseg.infer.backends.kserve.backend import KserveBackend

        return {place.name: functools.partial(KserveBackend, file, place) for place in read_places(wanted)}
    names = BACKENDS if wanted is None else (wanted,)
    return {name: functools.partial(_open, name, file, threads, stopped, gpu) for name in names}


def _open(name: str, file: Path, threads: int, stopped: Stopped, gpu: int) -> Backend:
    check_cuda(name, gpu)
    with stepping_down(name, gpu):
        known = BACKENDS | ON_REQUEST
        if gpu and name in _ON_GPU:
            return _ON_GPU[name](gpu)(file, threads, stopped)
        opener: Opener = known.get(name) or entrypoints.load("backends", name, ("backend", known))
        return opener(file, threads, stopped)


def paying_workers(wanted: str | None) -> int | None:
    """How many workers pay on a file; None: as many as there are cores.

    On a GPU or NPU one copies while the other computes, and more only take its memory. Where no backend is `wanted`
    this goes by what is installed; nothing is loaded for it.
    """
    if is_remote(wanted):
        return _AT_SERVERS
    return _ON_A_DEVICE if (wanted in ON_DEVICES if wanted else _likely_on_gpu()) else None


def _likely_on_gpu() -> bool:
    from streamseg.cuda.driver import has_package
    from streamseg.infer.backends.tensorrt.library import is_installed

    if not nvidia_driver():
        return False
    engines = has_package() and (is_installed("tensorrt") or is_installed("tensorrt-rtx"))
    return bool(engines or version_of("onnxruntime-gpu"))


def open_backend(
    file: Path,
    threads: int,
    wanted: str | None = None,
    stopped: Stopped = lambda: False,
    said: Said | None = None,
    gpu: int = 0,
) -> Backend:
    """The first of `BACKENDS` that runs `file`, each refusal said; with `wanted`, that one or none.

    The first may take minutes to build an engine, unless `stopped` becomes true.

    Raises:
        InputError: the model itself is wrong, or `wanted` is no backend.
        BackendError: none of them runs it.
        KeyboardInterrupt: `stopped` ended it.
    """
    return first_that_opens(str(file), openers(file, threads, wanted, stopped, gpu), said or Said())[1]


def first_that_opens(what: str, attempts: Mapping[str, Callable[[], T]], said: Said) -> tuple[str, T]:
    """Name and result of the first attempt that is no BackendError; `said` says what was missing, a line each.

    Raises:
        BackendError: all of them were; the message has every reason.
    """
    refusals: dict[str, BackendError] = {}
    for name, attempt in attempts.items():
        try:
            opened = attempt()
        except BackendError as error:
            # Without what led to it: that would keep alive what was half open, on a GPU perhaps.
            refusals[name] = type(error)(error.message, error.hint)
            continue
        _say(refusals, name, said)
        return name, opened
    if len(refusals) == 1:
        ((name, only),) = refusals.items()
        raise type(only)(f"{what}: {name} does not run it here: {only.message}", only.hint, reason=only.message)
    reasons = "; ".join(f"{name}: {each.message}" for name, each in refusals.items())
    raise BackendError(f"{what}: no backend runs it here: {reasons}", "`streamseg doctor` says how to get them")


def _say(refusals: Mapping[str, BackendError], taken: str, said: Said) -> None:
    """A line each; those for an NVIDIA GPU are no news where there is none."""
    passed = [] if nvidia_driver() else [name for name in refusals if name in ON_NVIDIA]
    if passed:
        where = f"running {place(taken)}: no NVIDIA GPU for {', '.join(passed)} (`streamseg doctor` says more)"
        said.once(_log, logging.DEBUG, where)
    lines = [f"{name}: {why}" for name, why in refusals.items() if name not in passed]
    for line in [*lines[:-1], *(f"{line}; running {place(taken)} instead" for line in lines[-1:])]:
        said.once(_log, logging.INFO, line)


def place(name: str) -> str:
    """Where the backend `name` runs a network, for a sentence: `on the CPU (ort-cpu)`."""
    if name in (*ON_NVIDIA, "openvino-gpu"):
        return f"on the GPU ({name})"
    on_cpu = name.startswith(("ort-cpu", "openvino")) and name not in ON_DEVICES
    return f"on the CPU ({name})" if on_cpu else f"with {name}"


def check_wanted(wanted: str | None) -> None:
    """Raises InputError where `wanted` is no backend's name, nor that of servers."""
    if wanted is not None and is_remote(wanted):
        read_places(wanted)
        return
    known = BACKENDS | ON_REQUEST
    if wanted is None or wanted in known or wanted in (added := entrypoints.parts("backends")):
        return
    raise entrypoints.unknown("backend", wanted, [*known, *added])
