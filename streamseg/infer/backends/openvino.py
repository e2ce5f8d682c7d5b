"""OpenVINO: ONNX files as they are, on the CPU in fp32 or, where it has that, bfloat16; on Intel's GPUs and NPUs."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamseg import installing, runtimes
from streamseg.errors import BackendError, InputError
from streamseg.infer.backends.contract import AbsentError
from streamseg.infer.backends.forked import keep_in_forks
from streamseg.infer.model.onnxfile import check_outputs, inspect_onnx
from streamseg.infer.model.tensors import Tensor, TensorInfo

Precision = Literal["f32", "bf16"]
_log = logging.getLogger(__name__)
_DRIVERS = {
    "GPU": "for Intel's GPUs: install the packages intel-opencl-icd and libze1, and join the group render",
    "NPU": "for the NPU of a Core Ultra: install Intel's linux-npu-driver, and join the group render",
}


class OpenVinoBackend:
    """A compiled model and one request; nothing is pinned to a core, because decoding and drawing need cores too."""

    def __init__(self, file: Path, threads: int, precision: Precision = "f32", device: str = "CPU") -> None:
        """Compiles `file` for `threads` threads; layers that are in 8 bits stay so in either precision.

        `device` is OpenVINO's name. `threads` and `precision` are for the CPU: others compute in the precision of
        their own, mostly fp16.

        Raises:
            InputError: the model is broken or asks for what is refused.
            AbsentError: OpenVINO sees no such device.
            BackendError: OpenVINO is not installed or cannot run it here.
        """
        self._openvino = _openvino(device)
        core = self._openvino.Core()
        options = _cpu_options(core, threads, precision) if device == "CPU" else _device_options(core, device)
        found = inspect_onnx(file)
        self._compile: Callable[[], Any] = functools.partial(core.compile_model, found.path, device, options)
        try:
            model = self._compile()
            self._request: Any = model.create_infer_request()
        except Exception as error:  # it raises RuntimeError for everything
            raise BackendError(f"{file}: OpenVINO cannot run it: {_reason(error)}") from None
        keep_in_forks(core, self._request)
        self.inputs = tuple(_info(*pair) for pair in zip(found.inputs, model.inputs, strict=True))
        self.outputs = tuple(_info(*pair) for pair in zip(found.outputs, model.outputs, strict=True))
        check_outputs(file, self.outputs)
        where = f"CPU, {precision}" if device == "CPU" else device
        self.name = f"OpenVINO {self._openvino.__version__.partition('-')[0]} ({where})"
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


def _openvino(device: str) -> Any:
    try:
        return runtimes.openvino()
    except ImportError as error:
        missing = BackendError if device == "CPU" else AbsentError
        raise missing(f"openvino does not load: {error}", installing.extra("openvino")) from None


def _cpu_options(core: Any, threads: int, precision: Precision) -> dict[str, object]:
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise BackendError("this processor does not compute in bf16")
    return {
        "INFERENCE_NUM_THREADS": max(1, threads),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": precision,
    }


def _device_options(core: Any, device: str) -> dict[str, object]:
    there = list(core.available_devices)  # one of two GPUs is called GPU.0
    if device not in {name.partition(".")[0] for name in there}:
        raise AbsentError(f"OpenVINO sees no {device}, only {', '.join(there)}", _DRIVERS[device])
    return {"PERFORMANCE_HINT": "LATENCY"}


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
