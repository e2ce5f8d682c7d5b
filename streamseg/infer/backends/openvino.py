"""OpenVINO on the CPU: ONNX files as they are, in fp32 or, where the processor has it, in bfloat16."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamseg import installing, runtimes
from streamseg.errors import BackendError, InputError
from streamseg.infer.model.onnxfile import MAX_ELEMENTS, inspect_onnx
from streamseg.infer.model.tensors import Tensor, TensorInfo

_log = logging.getLogger(__name__)


class OpenVinoBackend:
    """A compiled model and one request; nothing is pinned to a core, because decoding and drawing need cores too."""

    def __init__(self, file: Path, threads: int, precision: Literal["f32", "bf16"] = "f32") -> None:
        """Compiles `file` for `threads` threads; layers that are in 8 bits stay so in either precision.

        Raises:
            InputError: the model is broken or asks for what is refused.
            BackendError: OpenVINO is not installed or cannot run it here.
        """
        self._openvino = _openvino()
        found = inspect_onnx(file)
        core = self._openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise BackendError("this processor does not compute in bf16")
        options = {
            "INFERENCE_NUM_THREADS": max(1, threads),
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": precision,
        }
        self._compile: Callable[[], Any] = functools.partial(core.compile_model, found.path, "CPU", options)
        try:
            model = self._compile()
            self._request: Any = model.create_infer_request()
        except Exception as error:  # it raises RuntimeError for everything
            raise BackendError(f"{file}: OpenVINO cannot run it: {_reason(error)}") from None
        self.inputs = tuple(_info(*pair) for pair in zip(found.inputs, model.inputs, strict=True))
        self.outputs = tuple(_info(*pair) for pair in zip(found.outputs, model.outputs, strict=True))
        for output in self.outputs:
            if math.prod(side or 1 for side in output.shape or ()) > MAX_ELEMENTS:
                raise InputError(f"{file}: output '{output.name}' of {output.shape} is beyond what streamseg runs")
        self.name = f"OpenVINO {self._openvino.__version__.partition('-')[0]} (CPU, {precision})"
        self._file = file
        _log.debug("%s: %s, %d threads", file.name, self.name, threads)

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """One pass; outputs are fresh arrays.

        Raises:
            InputError: the feeds do not fit the graph.
            BackendError: the pass failed.
        """
        self._feed(feeds)
        try:
            self._request.infer()
            return {info.name: self._request.get_output_tensor(i).data.copy() for i, info in enumerate(self.outputs)}
        except Exception as error:
            told = BackendError(f"{self._file}: OpenVINO cannot run it: {_reason(error)}")
            # 2026.4: a graph in which shapes did not fit fails from then on with those that do, in every request.
            with contextlib.suppress(Exception):
                self._request = self._compile().create_infer_request()
            raise told from None

    def _feed(self, feeds: Mapping[str, Tensor]) -> None:
        self._fed = [np.ascontiguousarray(feeds[info.name]) for info in self.inputs]  # must outlive the pass
        try:
            for index, value in enumerate(self._fed):
                self._request.set_input_tensor(index, self._openvino.Tensor(value, shared_memory=True))
        except Exception as error:
            raise InputError(f"{self._file}: OpenVINO refuses it: {_reason(error)}") from None

    def close(self) -> None:
        """Lets the model go."""
        self._request = None


def _openvino() -> Any:
    try:
        return runtimes.openvino()
    except ImportError as error:
        raise BackendError(f"openvino does not load: {error}", installing.extra("openvino")) from None


def _info(declared: TensorInfo, port: Any) -> TensorInfo:
    """The file's own name and type, with the shape that OpenVINO worked out."""
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return TensorInfo(declared.name, None, declared.dtype)
    sides = tuple(side.get_length() if side.is_static else None for side in shape)
    return TensorInfo(declared.name, sides, declared.dtype)


class _SignalStack(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def _mend_signal_stack() -> None:
    """Lets this thread take signals on its own stack again.

    An error inside OpenVINO (2026.4, Linux) leaves it with an alternate one that is no longer there: the next SIGTERM
    would be a crash.
    """
    if sys.platform == "linux":
        disabled = 2
        ctypes.CDLL(None).sigaltstack(ctypes.byref(_SignalStack(None, disabled, 0)), None)


def _reason(error: Exception) -> str:
    """The last line of what OpenVINO says: those before it tell where in its own source it was."""
    _mend_signal_stack()
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
