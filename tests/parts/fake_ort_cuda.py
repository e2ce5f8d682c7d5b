"""A double of ONNX Runtime as built for CUDA: the real one, whose CUDA provider raises as the real provider does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as raised

CUDA = "CUDAExecutionProvider"
_PLACE = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:{} std::conditional_t<THRW, void, "
    "onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const char*, "
    "const char*, int) [with ERRTYPE = cudaError; bool THRW = true; std::conditional_t<THRW, void, Status> = void] "
)
NO_DEVICE = (
    f"{_PLACE.format(154)}{_PLACE.format(146)}CUDA failure 35: CUDA driver version is insufficient for CUDA runtime "
    "version ; GPU=-1 ; hostname=host ; file=/onnxruntime_src/provider.cc ; line=355 ; expr=cudaSetDevice(id); \n\n"
)
LOST = "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaStreamSynchronize(stream);"


class OrtCuda(ModuleType):
    """A module with the names of `onnxruntime`; `creation` and `runs` are what is raised there, the next time first."""

    def __init__(self) -> None:
        super().__init__("onnxruntime")
        ours = vars(OrtCuda)
        self.__dict__.update({n: value for n, value in vars(onnxruntime).items() if n not in ours and n[:2] != "__"})
        self.__dict__.update(__version__=onnxruntime.__version__, print=print)
        self.creation: list[Exception] = []
        self.runs: list[Exception | None] = []
        self.libraries = True
        """Whether CUDA's are found."""
        self.preloaded = False
        self.sessions = 0
        self.InferenceSession = self._session

    def get_available_providers(self) -> list[str]:
        return [CUDA, "CPUExecutionProvider"]

    def preload_dlls(self) -> None:
        self.preloaded = True
        if not self.libraries:
            self.__dict__["print"]("Failed to load libcublasLt.so.13: cannot open shared object file: No such file")

    def _session(self, model: Any, options: Any, providers: Sequence[str], enable_fallback: int = 1) -> Any:
        self.sessions += 1
        on_cuda = providers[0] == CUDA
        if on_cuda and self.creation:
            raise self.creation.pop(0)
        inner = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return _OnCuda(self, inner) if on_cuda and self.libraries and self.preloaded else inner


class _OnCuda:
    """A session that computes on a CPU and says otherwise."""

    def __init__(self, module: OrtCuda, inner: Any) -> None:
        self._module, self._inner = module, inner
        self.get_inputs, self.get_outputs = inner.get_inputs, inner.get_outputs

    def get_providers(self) -> list[str]:
        return [CUDA, "CPUExecutionProvider"]

    def run(self, names: Sequence[str], feeds: Mapping[str, Any]) -> Any:
        error = self._module.runs.pop(0) if self._module.runs else None
        if error is not None:
            raise error
        return self._inner.run(names, feeds)


def no_device() -> Exception:
    """What making a session raises where CUDA does not start: no class of ONNX Runtime's own."""
    return RuntimeError(NO_DEVICE)


def wrong_model() -> Exception:
    """What making a session raises where the graph is at fault."""
    error: Exception = raised.InvalidGraph("[ONNXRuntimeError] : 10 : INVALID_GRAPH : This is an invalid model")
    return error


def failed_kernel(why: str = "CUDNN failure 4: CUDNN_STATUS_INTERNAL_ERROR") -> Exception:
    """What a run raises where a kernel gives an error back."""
    line = f"[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Conv node. Name:'' {why}"
    error: Exception = raised.Fail(line)
    return error


def thrown_in_a_run() -> Exception:
    """What a run raises where a kernel throws."""
    error: Exception = raised.RuntimeException(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception caught: bad alloc"
    )
    return error


def wrong_feed() -> Exception:
    """What a run raises at feeds that do not fit."""
    error: Exception = raised.InvalidArgument("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got: 9 Expected: 3")
    return error
