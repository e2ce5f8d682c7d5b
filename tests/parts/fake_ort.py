"""A double of ONNX Runtime as built for a GPU or NPU: the real one, whose provider there raises as a real one does."""

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


class FakeOrt(ModuleType):
    """A module with the names of `onnxruntime`; `creation` and `runs` are what is raised there, the next time first.

    With `plugin` the provider is in a package of its own, which is shown to it; `npus` are what that sees.
    """

    def __init__(self, provider: str = CUDA, *, plugin: bool = False) -> None:
        super().__init__("onnxruntime")
        ours = vars(FakeOrt)
        self.__dict__.update({n: value for n, value in vars(onnxruntime).items() if n not in ours and n[:2] != "__"})
        self.__dict__.update(__version__=onnxruntime.__version__, print=print)
        self.creation: list[Exception] = []
        self.runs: list[Exception | None] = []
        self.libraries = True
        """Whether CUDA's are found."""
        self.preloaded = False
        self.sessions = 0
        self.asked: list[dict[str, str] | None] = []
        """The options of the provider for each session; None where it was not asked."""
        self.runs_there = 0
        self.npus = 1
        self.wrong = False
        """Whether what the provider computes is."""
        self.registered: list[tuple[str, str]] = []
        self.options: list[_Options] = []
        self.provider, self._plugin = provider, plugin
        self.InferenceSession = self._session

    def get_available_providers(self) -> list[str]:
        there = self.registered or not self._plugin
        return [*([self.provider] if there else []), "CPUExecutionProvider"]

    def register_execution_provider_library(self, name: str, path: str) -> None:
        self.registered.append((name, path))

    def get_ep_devices(self) -> list[Any]:
        types = onnxruntime.OrtHardwareDeviceType
        seen = [(self.provider, types.NPU)] * (self.npus if self.registered else 0)
        return [_Device(*each) for each in [("CPUExecutionProvider", types.CPU), *seen]]

    def SessionOptions(self) -> _Options:  # noqa: N802
        self.options.append(_Options())
        return self.options[-1]

    def preload_dlls(self) -> None:
        self.preloaded = True
        if not self.libraries:
            self.__dict__["print"]("Failed to load libcublasLt.so.13: cannot open shared object file: No such file")

    def _session(self, model: Any, options: Any, providers: Sequence[Any] | None, enable_fallback: int = 1) -> Any:
        self.sessions += 1
        asked = options.devices if providers is None else providers
        named = dict[str, Any](each if isinstance(each, tuple) else (each, {}) for each in asked)
        self.asked.append(named.get(self.provider))
        on_device = self.asked[-1] is not None
        if on_device and self.creation:
            raise self.creation.pop(0)
        inner = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        starts = self.libraries and (self.preloaded or self.provider != CUDA)
        return _OnDevice(self, inner) if on_device and starts else inner


class _Options(onnxruntime.SessionOptions):  # type: ignore[misc]
    """The real ones, which note the devices."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: list[str] = []

    def add_provider_for_devices(self, devices: Sequence[Any], options: Mapping[str, str]) -> None:
        self.devices += [device.ep_name for device in devices]


class _Device:
    """As `get_ep_devices` gives them."""

    def __init__(self, provider: str, kind: Any) -> None:
        self.ep_name, self.type = provider, kind

    @property
    def device(self) -> _Device:
        return self


class _OnDevice:
    """A session that computes on a CPU and says otherwise."""

    def __init__(self, module: FakeOrt, inner: Any) -> None:
        self._module, self._inner = module, inner
        self.get_inputs, self.get_outputs = inner.get_inputs, inner.get_outputs

    def get_providers(self) -> list[str]:
        return [self._module.provider, "CPUExecutionProvider"]

    def run(self, names: Sequence[str], feeds: Mapping[str, Any]) -> Any:
        self._module.runs_there += 1
        error = self._module.runs.pop(0) if self._module.runs else None
        if error is not None:
            raise error
        found = self._inner.run(names, feeds)
        return [-each for each in found] if self._module.wrong else found


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
