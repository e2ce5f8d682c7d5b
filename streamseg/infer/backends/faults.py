"""What a GPU and its libraries raise, as what leads to the next backend; and whether CUDA is done for altogether."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from streamseg.errors import BackendError, StreamsegError

_log = logging.getLogger(__name__)

ON_NVIDIA = ("tensorrt", "tensorrt-rtx", "ort-cuda")
"""Backends whose libraries share one CUDA context: what ends it ends them all."""

ON_DEVICES = (
    *ON_NVIDIA, "openvino-gpu", "openvino-npu", "ort-coreml", "ort-directml", "ort-migraphx", "ort-qnn",
)  # fmt: skip
"""Backends on anything but the CPU, through drivers that raise what they like."""

# As CUDA words them (214, 220, 700 to 719, 999). Behind each of these it gives nothing but the same error, for as long
# as the process lives; pycuda, TensorRT and ONNX Runtime all quote it.
_FATAL = (
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "an illegal memory access was encountered",
    "the launch timed out and was terminated",
    "device-side assert triggered",
    "hardware stack error",
    "an illegal instruction was encountered",
    "misaligned address",
    "operation not supported on global/shared address space",
    "invalid program counter",
    "unspecified launch failure",
    ": unknown error",
)
LOST: list[str] = []  # one at most
"""Why CUDA answers nothing more in this process; empty while it does."""


@contextlib.contextmanager
def stepping_down(backend: str) -> Iterator[None]:
    """Within it, whatever a backend on a GPU or NPU raises is one of our own errors.

    Drivers and libraries raise what they like. Whatever it is, the next backend can still run the model.
    """
    try:
        yield
    except StreamsegError as error:
        if backend in ON_NVIDIA:
            _note(error.message)
        raise
    except Exception as error:
        if backend not in ON_DEVICES:
            raise
        _log.debug("%s", backend, exc_info=True)
        line = " ".join(str(error).split())
        if backend in ON_NVIDIA:
            _note(line)
        raise BackendError(f"a defect: {type(error).__name__}: {line[:200]}", "--debug shows where") from None


def check_cuda(backend: str) -> None:
    """Raises BackendError where `backend` needs CUDA, and CUDA is done for in this process."""
    if backend in ON_NVIDIA and LOST:
        raise BackendError(f"the GPU failed for this process: {LOST[0]}", "it is tried again after a new start")


def is_fatal(line: str) -> bool:
    """Whether CUDA gives nothing but this error from here on."""
    return any(words in line for words in _FATAL)


def _note(line: str) -> None:
    if not LOST and is_fatal(line):
        LOST.append(line)
