"""TensorRT or TensorRT-RTX as a module: found, loaded, and listened to."""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from streamseg.errors import BackendError

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


Kind = Literal["tensorrt", "tensorrt-rtx"]
_OLDEST = (10, 12)  # strong typing is complete from here on
HINTS: dict[Kind, str] = {
    "tensorrt": "pip install 'streamseg[tensorrt]'",
    "tensorrt-rtx": "pip install 'streamseg[build]'",
}
_RTX_LIBRARIES = ("libtensorrt_rtx.so.*", "libtensorrt_onnxparser_rtx.so.*")


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """A loaded TensorRT."""

    kind: Kind
    version: str
    module: Bindings
    """The Python module; both libraries have the same names, as far as they are used here."""
    logger: trt.ILogger
    said: deque[str]
    """Its last warnings and errors, oldest first: where a call only answers None, the reason is here."""

    def reason(self) -> str:
        """The first thing it said that explains a failure, in one line."""
        lines = [line for line in self.said if "driver version is insufficient" not in line]  # no GPU: known
        return " ".join((lines[0] if lines else "it did not say why").split())[:240]

    def because(self) -> str:
        """The same behind a colon; empty where it said nothing."""
        return f": {self.reason()}" if self.said else ""


@functools.cache
def load_library(kind: Kind) -> Library:
    """Loads the bindings and what they need; a second call gives the same.

    Raises:
        BackendError: they are not installed, do not load, or are too old.
    """
    try:
        module, version = _import_tensorrt() if kind == "tensorrt" else _import_rtx()
    except (ImportError, OSError) as error:
        raise BackendError(f"{kind} does not load: {error}", HINTS[kind]) from None
    if kind == "tensorrt" and _number(version) < _OLDEST:
        raise BackendError(f"TensorRT {version} is too old: 10.12 or newer", HINTS[kind])
    said: deque[str] = deque(maxlen=20)
    return Library(kind, version, module, _make_logger(module, said), said)


def is_installed(kind: Kind) -> bool:
    """Whether it is worth trying, without loading anything."""
    names = ("tensorrt",) if kind == "tensorrt" else ("tensorrt_rtx", "tensorrt_rtx_bindings")
    return any(importlib.util.find_spec(name) for name in names)


def _import_tensorrt() -> tuple[Any, str]:
    module = importlib.import_module("tensorrt")
    return module, str(module.__version__)


def _import_rtx() -> tuple[Any, str]:
    """NVIDIA's own package, else its bindings with the libraries that ONNX Runtime's plugin for it brings."""
    if importlib.util.find_spec("tensorrt_rtx"):
        module = importlib.import_module("tensorrt_rtx")
        return module, str(module.__version__)
    plugin = importlib.util.find_spec("onnxruntime_ep_nv_tensorrt_rtx")
    folders: Sequence[str] = (plugin.submodule_search_locations or ()) if plugin else ()
    for pattern in _RTX_LIBRARIES:
        for library in sorted(path for folder in folders for path in Path(folder).glob(pattern))[:1]:
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    package = importlib.import_module("tensorrt_rtx_bindings")
    return importlib.import_module("tensorrt_rtx_bindings.tensorrt_rtx"), str(package.__version__)


def _make_logger(module: Bindings, said: deque[str]) -> trt.ILogger:
    worth = {module.ILogger.INTERNAL_ERROR, module.ILogger.ERROR, module.ILogger.WARNING}
    if TYPE_CHECKING:
        from tensorrt import ILogger
    else:
        ILogger = module.ILogger  # noqa: N806

    class Logger(ILogger):
        def __init__(self) -> None:
            ILogger.__init__(self)

        def log(self, severity: ILogger.Severity, message: str) -> None:
            if severity in worth:
                said.append(message)

    return Logger()


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
