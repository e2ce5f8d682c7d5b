"""ONNX Runtime, on the CPU or through one of its GPU providers."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.errors import BackendError, InputError, StreamsegError
from streamseg.infer.backends.contract import Tensor, TensorInfo
from streamseg.infer.onnxfile import MAX_ELEMENTS, inspect_onnx

_log = logging.getLogger(__name__)

_FATAL = 4  # ONNX Runtime writes to stderr below this; every error reaches us as an exception as well
_MACHINE_FAULTS = ("NotImplemented", "RuntimeException", "EPFail", "EngineError", "DeviceReset")
_PLACE = re.compile(r"^/\S+:\d+ .*?\([^()]*\)(?: const)? ")  # where in its own source it was
_HINTS = {"CUDAExecutionProvider": "on an NVIDIA GPU: pip install onnxruntime-gpu"}
_DTYPES = {"float": "float32", "double": "float64"}


class OrtBackend:
    """A session of ONNX Runtime; no custom operators."""

    def __init__(
        self, file: Path, threads: int, provider: str = "CPUExecutionProvider", *, spinning: bool = False
    ) -> None:
        """Loads `file` with `threads` threads for one run; `spinning` threads wait for work without sleeping.

        Raises:
            InputError: the model is broken or asks for what is refused.
            BackendError: ONNX Runtime cannot run it here.
        """
        ort = _onnxruntime()
        if provider not in ort.get_available_providers():
            raise BackendError(f"this ONNX Runtime has no {provider}", _HINTS.get(provider, ""))
        path = inspect_onnx(file).path
        options = ort.SessionOptions()
        options.log_severity_level = _FATAL
        options.intra_op_num_threads = max(1, threads)
        options.inter_op_num_threads = 1
        # A spinning thread takes the core that decoding and drawing need.
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
        chain = [provider, "CPUExecutionProvider"] if provider != "CPUExecutionProvider" else [provider]
        try:
            session = ort.InferenceSession(str(path), options, providers=chain, enable_fallback=0)
            self.inputs = tuple(_info(value) for value in session.get_inputs())
            self.outputs = tuple(_info(value) for value in session.get_outputs())
        except Exception as error:  # its exceptions share no base class
            raise _told(error, file) from None
        if session.get_providers()[0] != provider:
            raise BackendError(f"{provider} did not start", "CUDA and cuDNN must be those that this ONNX Runtime wants")
        self.name = f"ONNX Runtime {ort.__version__} ({provider.removesuffix('ExecutionProvider')})"
        self._file = file
        self._session: Any = session
        self._names = [output.name for output in self.outputs]
        for output in self.outputs:
            if math.prod(side or 1 for side in output.shape or ()) > MAX_ELEMENTS:
                raise InputError(f"{file}: output '{output.name}' of {output.shape} is beyond what streamseg runs")
        _log.debug("%s: %s, %d threads", file.name, self.name, threads)

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """One pass; outputs are fresh arrays.

        Raises:
            InputError: the feeds do not fit the graph.
            BackendError: the pass failed.
        """
        try:
            return dict(zip(self._names, self._session.run(self._names, feeds), strict=True))
        except Exception as error:
            raise _told(error, self._file) from None

    def close(self) -> None:
        """Lets the session go."""
        self._session = None


def _onnxruntime() -> Any:
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise BackendError(f"onnxruntime does not load: {error}", "pip install onnxruntime") from None
    ort.set_default_logger_severity(_FATAL)
    return ort


def _info(value: Any) -> TensorInfo:
    word = str(value.type).removeprefix("tensor(").removesuffix(")")
    try:
        dtype = np.dtype(_DTYPES.get(word, word))
    except TypeError:
        dtype = np.dtype(object)  # a string or sequence: no role accepts it
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in value.shape)
    return TensorInfo(value.name, shape, dtype)


def _told(error: Exception, file: Path) -> StreamsegError:
    """ONNX Runtime's exception as one of ours, its first line without the codes."""
    if isinstance(error, StreamsegError):
        return error
    line = " ".join(str(error).split()).replace(f"Load model from {file} failed:", "")
    reason = _PLACE.sub("", line.split(" : ", 3)[-1].strip())[:200] or type(error).__name__
    if type(error).__name__ in _MACHINE_FAULTS or isinstance(error, MemoryError):
        return BackendError(f"{file}: ONNX Runtime cannot run it: {reason}")
    return InputError(f"{file}: ONNX Runtime refuses it: {reason}")
