"""What a GPU and its libraries raise, as what leads to the next backend; and whether CUDA is done for altogether."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from streamseg.errors import BackendError, StreamsegError

_log = logging.getLogger(__name__)

ON_NVIDIA = ("tensorrt", "tensorrt-rtx", "ort-cuda")
"""Backends whose libraries share one CUDA context on each GPU: what ends it ends them all."""

ON_DEVICES = (
    *ON_NVIDIA, "openvino-gpu", "openvino-npu", "ort-coreml", "ort-directml", "ort-migraphx", "ort-qnn",
)  # fmt: skip
"""Backends on anything but the CPU, through drivers that raise what they like."""

# As CUDA words them (214, 220, 226, 700 to 721, 810, 911, 999). Behind each of these it gives nothing but the same
# error, for as long as the process lives; pycuda, TensorRT and ONNX Runtime all quote it.
#
# Of one GPU, or of all that the process uses? CUDA's manual says of most of them that "any further CUDA work will
# return the same error" until the process ends; others saw it stay with the context, of which each GPU has its own.
# Which is right need not be known here: networks on the GPU that failed leave it at once, those on others stay. Should
# they get the error too, they do so with their next frame, and leave their GPU in the same way.
_FATAL = (
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "Invalid access of peer GPU memory over nvlink or a hardware error",
    "an illegal memory access was encountered",
    "the launch timed out and was terminated",
    "device-side assert triggered",
    "hardware stack error",
    "an illegal instruction was encountered",
    "misaligned address",
    "operation not supported on global/shared address space",
    "invalid program counter",
    "unspecified launch failure",
    "tensor memory not completely freed",
    "the MPS client has been terminated by the server",
    "in external entity outside of CUDA",
    ": unknown error",
)
LOST: dict[int, str] = {}
"""Why a GPU answers nothing more in this process, by its number; empty while all do."""


@contextlib.contextmanager
def stepping_down(backend: str, gpu: int = 0) -> Iterator[None]:
    """Within it, whatever a backend on a GPU or NPU raises is one of our own errors.

    Drivers and libraries raise what they like. Whatever it is, the next backend can still run the model.
    """
    try:
        yield
    except StreamsegError as error:
        if backend in ON_NVIDIA:
            _note(gpu, error.message)
        raise
    except Exception as error:
        if backend not in ON_DEVICES:
            raise
        _log.debug("%s", backend, exc_info=True)
        line = " ".join(str(error).split())
        if backend in ON_NVIDIA:
            _note(gpu, line)
        raise BackendError(f"a defect: {type(error).__name__}: {line[:200]}", "--debug shows where") from None


def check_cuda(backend: str, gpu: int = 0) -> None:
    """Raises BackendError where `backend` needs a GPU of NVIDIA's, and this one is done for in this process."""
    if backend in ON_NVIDIA and gpu in LOST:
        raise BackendError(f"the GPU failed for this process: {LOST[gpu]}", "it is tried again after a new start")


def is_fatal(line: str) -> bool:
    """Whether CUDA gives nothing but this error from here on."""
    return any(words in line for words in _FATAL)


def _note(gpu: int, line: str) -> None:
    if is_fatal(line):
        LOST.setdefault(gpu, line)
