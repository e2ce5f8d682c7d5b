"""From model to backend: what must be there, the engine that is kept or built, or one that the user vouches for."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

from streamseg import installing
from streamseg.cuda.contract import CudaRuntime
from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.errors import BackendError, InputError, OutputError
from streamseg.infer.backends.contract import Backend, Stopped
from streamseg.infer.backends.faults import stepping_down
from streamseg.infer.backends.tensorrt.backend import TensorRtBackend
from streamseg.infer.backends.tensorrt.builder import Progress, targets
from streamseg.infer.backends.tensorrt.engine import Engine, get_engine
from streamseg.infer.backends.tensorrt.engines import SharedEngine, load_engine
from streamseg.infer.backends.tensorrt.gpu_preprocess import TensorRtImageBackend, fits
from streamseg.infer.backends.tensorrt.library import EXTRAS, Kind, Library, is_installed, load_library
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.model.spec import ModelSpec

_log = logging.getLogger(__name__)
_BETWEEN_LINES_S = 2.0
_KINDS: tuple[Kind, ...] = ("tensorrt", "tensorrt-rtx")


def open_tensorrt(kind: Kind, file: Path, stopped: Stopped, gpu: int = 0) -> Backend:
    """The model in `file` on the GPU of that number; its engine is built where none is kept, unless `stopped` says so.

    Raises:
        InputError: the model is broken.
        BackendError: something is missing here, or TensorRT does not take the model.
        KeyboardInterrupt: `stopped` ended the build.
    """
    library, cuda = _need(kind, gpu)
    made = _kept_or_built(library, cuda, file, stopped)
    engine = load_engine(library, cuda, made.plan, made.path)
    if engine is None and not made.why:
        _log.warning("%s: the kept engine does not load%s; it is built again", file.stem, library.because())
        made = _kept_or_built(library, cuda, file, stopped, made.plan)
        engine = load_engine(library, cuda, made.plan, made.path)
    if engine is None:
        raise BackendError(f"{kind} {library.version} does not load what it built{library.because()}")
    return _around(library, cuda, engine, load_spec(file))


def open_foreign(file: Path, spec: ModelSpec, wanted: str | None, gpu: int = 0) -> Backend:
    """An engine file as it was built elsewhere, by the first library that takes it; `wanted` names one.

    Raises:
        InputError: it cannot be read.
        BackendError: something is missing here, or no library takes it.
    """
    try:
        plan = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None
    refusals: list[str] = []
    for kind in _KINDS if wanted is None else [kind for kind in _KINDS if kind == wanted]:
        try:
            with stepping_down(kind, gpu):
                library, cuda = _need(kind, gpu)
                if (engine := load_engine(library, cuda, plan)) is not None:
                    return _around(library, cuda, engine, spec)
                refusals.append(f"{kind} {library.version} does not take it{library.because()}")
        except BackendError as error:
            refusals.append(f"{kind}: {error.message}")
    raise BackendError(f"{file}: {'; '.join(refusals) or f'{wanted} runs no engines'}", "name the .onnx file")


def _need(kind: Kind, gpu: int) -> tuple[Library, CudaRuntime]:
    """The library and the GPU; the cheapest to find out first, and nothing is loaded in vain."""
    if not is_installed(kind):
        raise BackendError(f"{kind} is not installed", installing.extra(EXTRAS[kind]))
    cuda = open_cuda(gpu)
    with cuda.current():
        cuda.check()  # before a build that takes minutes finds it out
    return load_library(kind), cuda


def _kept_or_built(
    library: Library, cuda: CudaRuntime, file: Path, stopped: Stopped, refused: bytes | None = None
) -> Engine:
    """TensorRT-RTX has one engine for an architecture, the same as `streamseg build --for` makes."""
    known, target = targets(library), cuda.gpu.architecture
    if known and target not in known:
        raise BackendError(f"{library.kind} {library.version} knows no {cuda.gpu}", f"it knows {', '.join(known)}")
    progress = _progress(file.stem, stopped)
    try:
        with cuda.current():  # TensorRT measures on the GPU while it builds
            return get_engine(
                library,
                file,
                "fp16",
                target=target if known else None,
                gpu=str(cuda.gpu),
                progress=progress,
                refused=refused,
                must_be_kept=False,
            )
    except OutputError as error:
        raise BackendError(f"the engine cannot be kept: {error.message}", "STREAMSEG_ENGINES names a folder") from None


def _around(library: Library, cuda: CudaRuntime, engine: SharedEngine, spec: ModelSpec) -> Backend:
    """The engine as a backend, between kernels where they can be had."""
    try:
        kernels = _kernels(cuda) if fits(spec) else None
        if kernels is None:
            return TensorRtBackend(library, cuda, engine)
        return TensorRtImageBackend(library, cuda, engine, spec, kernels)
    except BaseException:
        with contextlib.suppress(BackendError), cuda.current():
            engine.release()
        raise


def _kernels(cuda: CudaRuntime) -> Kernels | None:
    try:
        with cuda.current():
            return Kernels(cuda)
    except BackendError as error:
        _log.info("no kernels: %s; the CPU does their work", error)
        return None


def _progress(name: str, stopped: Stopped) -> Progress:
    """A line now and then, as a build may take minutes."""
    due_s = time.monotonic() + _BETWEEN_LINES_S

    def progress(done: float) -> bool:
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + _BETWEEN_LINES_S
            _log.info("%s: %.0f %% of the engine built; Ctrl-C stops it", name, done * 100)
        return not stopped()

    return progress
