"""TensorRT or TensorRT-RTX as a module: found, loaded, and listened to."""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from streamseg import installing
from streamseg.errors import BackendError
from streamseg.machine import nvidia_driver

if TYPE_CHECKING:
    import tensorrt as trt

    class Bindings:
        """The names that streamseg uses: checked against the real ones by tools/check_tensorrt_types.py."""

        Builder = trt.Builder
        Dims = trt.Dims
        ILogger = trt.ILogger
        NetworkDefinitionCreationFlag = trt.NetworkDefinitionCreationFlag
        OnnxParser = trt.OnnxParser
        Runtime = trt.Runtime
        TensorIOMode = trt.TensorIOMode
        TensorLocation = trt.TensorLocation


T = TypeVar("T")
Kind = Literal["tensorrt", "tensorrt-rtx"]
_OLDEST = (10, 12)  # strong typing is complete from here on
EXTRAS: dict[Kind, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "build"}
"""Kind to the extra of streamseg that brings it."""
_PIP = installing.pip()
_START_HINTS: dict[Kind, str] = {
    "tensorrt": (
        f"a driver older than 580 takes TensorRT for CUDA 12: {_PIP} uninstall tensorrt, {_PIP} install tensorrt-cu12"
    ),
    "tensorrt-rtx": "`nvidia-smi` must list the GPU; TensorRT-RTX for CUDA 13 takes driver 580 or newer",
}
_NO_DRIVER = ("driver version is insufficient", "cudaError 35")
_RTX_PACKAGES = ("tensorrt_rtx_libs", "onnxruntime_ep_nv_tensorrt_rtx")
_RTX_LIBRARIES = ("libtensorrt_rtx.so.*", "libtensorrt_onnxparser_rtx.so.*")


class Line(NamedTuple):
    """Something that the library said."""

    number: int
    thread: int
    error: bool
    """Else a warning."""
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """A loaded TensorRT. Where a call of it only answers None or False, the reason is in what it said meanwhile."""

    kind: Kind
    version: str
    module: Bindings
    """The Python module; both libraries have the same names, as far as they are used here."""
    logger: trt.ILogger
    said: deque[Line]
    """Its last warnings and errors, oldest first; some from threads of its own, and all workers' together."""
    _here: threading.local = field(default_factory=threading.local)

    def listen(self) -> None:
        """Whatever was said before is no reason for what fails in this thread from here on."""
        self._here.since = self.said[-1].number + 1 if self.said else 0

    def reason(self) -> str:
        """What explains a failure best, in one line: errors before warnings, this thread's own before others'."""
        said = list(self.said)  # at once: others add to it meanwhile
        lines = [line for line in said if line.number >= getattr(self._here, "since", 0) and is_news(line.text)]
        best = min(lines, key=lambda line: (not line.error, line.thread != threading.get_ident()), default=None)
        return " ".join((best.text if best else "it did not say why").split())[:240]

    def because(self) -> str:
        """The same behind a colon; empty where it said nothing."""
        reason = self.reason()
        return "" if reason == "it did not say why" else f": {reason}"

    def make(self, constructor: Callable[[], T]) -> T:
        """What `constructor` gives, one of TensorRT's own: without CUDA they answer null, which arrives as TypeError.

        Raises:
            BackendError: it gave nothing; the message says why.
        """
        self.listen()
        try:
            return constructor()
        except (TypeError, RuntimeError) as error:
            why = self.because() or f": {error}"
            raise BackendError(f"{self.kind} {self.version} does not start{why}", _START_HINTS[self.kind]) from None


def is_news(line: str) -> bool:
    """Whether a line tells anything: that there is no driver is known where there is none."""
    return bool(nvidia_driver()) or not any(words in line for words in _NO_DRIVER)


@functools.cache
def load_library(kind: Kind) -> Library:
    """Loads the bindings and what they need; a second call gives the same.

    Raises:
        BackendError: they are not installed, do not load, or are too old.
    """
    try:
        module, version = _import_tensorrt() if kind == "tensorrt" else _import_rtx()
    except (ImportError, OSError) as error:
        raise BackendError(f"{kind} does not load: {error}", installing.extra(EXTRAS[kind])) from None
    if kind == "tensorrt" and _number(version) < _OLDEST:
        raise BackendError(f"TensorRT {version} is too old: 10.12 or newer", installing.extra(EXTRAS[kind]))
    said: deque[Line] = deque(maxlen=100)
    return Library(kind, version, module, _make_logger(module, said), said)


def is_installed(kind: Kind) -> bool:
    """Whether it is worth trying, without loading anything."""
    names = ("tensorrt",) if kind == "tensorrt" else ("tensorrt_rtx", "tensorrt_rtx_bindings")
    return any(importlib.util.find_spec(name) for name in names)


def _import_tensorrt() -> tuple[Any, str]:
    module = importlib.import_module("tensorrt")
    return module, str(module.__version__)


def _import_rtx() -> tuple[Any, str]:
    """NVIDIA's own package, else its bindings with the libraries alone, or those that ONNX Runtime's plugin brings."""
    if importlib.util.find_spec("tensorrt_rtx"):
        module = importlib.import_module("tensorrt_rtx")
        return module, str(module.__version__)
    found = next(filter(None, map(importlib.util.find_spec, _RTX_PACKAGES)), None)
    folders: Sequence[str] = (found.submodule_search_locations or ()) if found else ()
    for pattern in _RTX_LIBRARIES:
        for library in sorted(path for folder in folders for path in Path(folder).glob(pattern))[:1]:
            ctypes.CDLL(str(library))  # not for all to see: its names are those of TensorRT proper as well
    package = importlib.import_module("tensorrt_rtx_bindings")
    return importlib.import_module("tensorrt_rtx_bindings.tensorrt_rtx"), str(package.__version__)


def _make_logger(module: Bindings, said: deque[Line]) -> trt.ILogger:
    errors = {module.ILogger.INTERNAL_ERROR, module.ILogger.ERROR}
    numbers = itertools.count()
    if TYPE_CHECKING:
        from tensorrt import ILogger
    else:
        ILogger = module.ILogger  # noqa: N806

    class Logger(ILogger):
        def __init__(self) -> None:
            ILogger.__init__(self)

        def log(self, severity: ILogger.Severity, message: str) -> None:
            if severity in errors or severity == module.ILogger.WARNING:
                said.append(Line(next(numbers), threading.get_ident(), severity in errors, message))

    return Logger()


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
