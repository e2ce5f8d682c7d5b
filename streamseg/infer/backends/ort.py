"""ONNX Runtime, on the CPU or through one of its providers for GPUs and NPUs."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import logging
import re
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamseg import installing, runtimes
from streamseg.errors import BackendError, InputError, StreamsegError
from streamseg.infer.backends.contract import AbsentError
from streamseg.infer.backends.forked import keep_in_forks
from streamseg.infer.model.onnxfile import check_outputs, inspect_onnx, source_for_ort
from streamseg.infer.model.tensors import Tensor, TensorInfo

_log = logging.getLogger(__name__)

_FATAL = 4  # ONNX Runtime writes to stderr below this; every error reaches us as an exception as well
_MACHINE_FAULTS = ("NotImplemented", "RuntimeException", "EPFail", "EngineError", "DeviceReset")
# A GPU's provider raises anything else, from "Fail" to Python's own RuntimeError, where the machine is at fault.
_MODEL_FAULTS_ON_DEVICES = ("InvalidGraph", "InvalidProtobuf", "NoSuchFile")
_FEED_FAULTS_ON_DEVICES = ("InvalidArgument",)
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_NODE = re.compile(r"^Non-zero status code returned while running (.*? node)\. Name:'.*?' Status Message: ")
_PLACE = re.compile(r"(?:^|(?<= node: ))/\S+:\d+ .*?\([^()]*\)(?: const)? ")  # where in its own source it was
_OF_CUDA = re.compile(r"\bCU[A-Z]+ failure \d+: [^;]+")  # which it wraps in pages of its own source
_NEWER_SET = re.compile(r"\bOpset (\d+) is under development\b.* for domain (\S+) is till opset (\d+)")
_NEWER_FORMAT = re.compile(r"\bUnsupported model IR version: (\d+), max supported IR version: (\d+)")
_PIP = installing.pip()
_INSTEAD = f"{_PIP} uninstall onnxruntime; {_PIP} install"  # both packages own one folder
_OTHER_SIZES = (
    "it may not take every size: streamseg import FILE.onnx --height 512 --width 512 makes it one of one size"
)
_HINTS = {
    _CUDA: f"on an NVIDIA GPU: {_INSTEAD} 'onnxruntime-gpu[cuda,cudnn]'",
    "CoreMLExecutionProvider": "on macOS it comes with the package onnxruntime",
    "DmlExecutionProvider": f"on Windows: {_INSTEAD} onnxruntime-directml",
    "MIGraphXExecutionProvider": f"on an AMD GPU with ROCm: {_INSTEAD} onnxruntime-migraphx",
    "QNNExecutionProvider": f"on a Qualcomm NPU: {_PIP} install onnxruntime-qnn",
}
_PLUGINS = {"QNNExecutionProvider": "onnxruntime_qnn"}
"""Providers in packages of their own, which ONNX Runtime is shown."""
_DTYPES = {"float": "float32", "double": "float64"}
_STARTS_ON_DEVICES = threading.Lock()  # of two that fail at once ONNX Runtime loses the reason of one


class OrtBackend:
    """A session of ONNX Runtime; no custom operators."""

    def __init__(self, file: Path, threads: int, provider: str = _CPU, gpu: int = 0, *, spinning: bool = False) -> None:
        """Loads `file` with `threads` threads for one run; `spinning` threads wait for work without sleeping.

        `gpu` is CUDA's number of the GPU that its provider takes.

        Raises:
            InputError: the model is broken or asks for what is refused.
            AbsentError: this ONNX Runtime has no such provider, or the provider no device.
            BackendError: ONNX Runtime cannot run it here.
        """
        ort = _onnxruntime()
        missing = _load_cuda(ort) if provider == _CUDA else []
        devices = _plugged_in(ort, provider)
        if not devices and provider not in ort.get_available_providers():
            absent = BackendError if provider == _CUDA else AbsentError  # an NVIDIA GPU without it is news
            raise absent(f"this ONNX Runtime has no {provider}", _HINTS.get(provider, ""))
        found = inspect_onnx(file)
        options = _options(ort, threads, spinning)
        options.enable_mem_pattern = provider != "DmlExecutionProvider"  # which refuses it
        free = any(None in (info.shape or (None,)) for info in found.inputs)
        chain: list[Any] | None = _chain(provider, gpu, free=free)
        self._on_device = provider != _CPU
        try:
            if devices:
                options.add_provider_for_devices(devices, {})
                chain = None  # the CPU comes behind it by itself
            with _STARTS_ON_DEVICES if self._on_device else contextlib.nullcontext():
                session = ort.InferenceSession(source_for_ort(found.path), options, providers=chain, enable_fallback=0)
            self.inputs = tuple(_info(value) for value in session.get_inputs())
            self.outputs = tuple(_info(value) for value in session.get_outputs())
        except Exception as error:  # its exceptions share no base class
            raise _told(error, file, _MODEL_FAULTS_ON_DEVICES if self._on_device else None) from None
        if session.get_providers()[0] != provider:
            why = missing[0] if missing else _refusal(ort, provider)
            raise BackendError(f"{provider} did not start: {why}", _HINTS.get(provider, ""))
        self.name = f"ONNX Runtime {ort.__version__} ({provider.removesuffix('ExecutionProvider')})"
        self._file = file
        keep_in_forks(session)
        self._session: Any = session
        self._names = [output.name for output in self.outputs]
        check_outputs(file, self.outputs)
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
            ours = _FEED_FAULTS_ON_DEVICES if self._on_device else None
            free = any(None in (info.shape or ())[1:] for info in self.inputs)
            raise _told(error, self._file, ours, _OTHER_SIZES if free else "") from None

    def close(self) -> None:
        """Lets the session go."""
        self._session = None


def _onnxruntime() -> Any:
    warnings.filterwarnings("ignore", "Failed to register bundled CUDA plugin EP")  # `_load_cuda` says what is missing
    try:
        return runtimes.onnxruntime()
    except ImportError as error:
        raise BackendError(f"onnxruntime does not load: {error}", installing.package("onnxruntime")) from None


def _chain(provider: str, gpu: int, *, free: bool) -> list[Any]:
    """The providers, best first; each a name, or with its options.

    By itself cuDNN tries every algorithm at each new size of a picture, for seconds: where sizes are `free` it guesses.
    """
    options = {"device_id": str(gpu)} if gpu else {}
    if free and provider == _CUDA:
        options["cudnn_conv_algo_search"] = "HEURISTIC"
    first = (provider, options) if options else provider
    return [provider] if provider == _CPU else [first, _CPU]


def _options(ort: Any, threads: int, spinning: bool) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    # A spinning thread takes the core that decoding and drawing need.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    return options


def _load_cuda(ort: Any) -> list[str]:
    """Loads CUDA's libraries out of pip's packages, where ONNX Runtime does not look by itself; gives what it misses.

    It would print that, and the standard output may be where results go.
    """
    missing: list[str] = []
    if hasattr(ort, "preload_dlls"):  # since 1.21
        ort.print = lambda *words: missing.append(" ".join(" ".join(map(str, words)).split()))
        ort.preload_dlls()
    return missing


def _plugged_in(ort: Any, provider: str) -> list[Any]:
    """The NPUs of a provider that is a package of its own; none where that is not installed, or built in."""
    package = _PLUGINS.get(provider, "")
    if not package or importlib.util.find_spec(package) is None:
        return []
    try:
        found = _devices(ort, provider)
        if not found:
            ort.register_execution_provider_library(provider, importlib.import_module(package).get_library_path())
            found = _devices(ort, provider)
    except Exception as error:  # whatever the library of others raises
        raise BackendError(f"{package} does not load: {' '.join(str(error).split())[:200]}") from None
    if not found:
        raise AbsentError(f"{package} sees no NPU")
    return found


def _devices(ort: Any, provider: str) -> list[Any]:
    npu = ort.OrtHardwareDeviceType.NPU
    return [device for device in ort.get_ep_devices() if device.ep_name == provider and device.device.type == npu]


def _refusal(ort: Any, provider: str) -> str:
    """What the loader says of a provider in a library of its own, which ONNX Runtime keeps to itself."""
    folder = Path(ort.__file__ or "").parent / "capi"
    library = f"libonnxruntime_providers_{provider.removesuffix('ExecutionProvider').lower()}.so"
    try:
        if (folder / library).is_file():
            ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
            ctypes.CDLL(str(folder / library))
    except OSError as error:
        return str(error)
    return "it did not say why"


def _info(value: Any) -> TensorInfo:
    word = str(value.type).removeprefix("tensor(").removesuffix(")")
    try:
        dtype = np.dtype(_DTYPES.get(word, word))
    except TypeError:
        dtype = np.dtype(object)  # a string or sequence: no role accepts it
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in value.shape)
    return TensorInfo(value.name, shape, dtype)


def _told(error: Exception, file: Path, ours: Sequence[str] | None, hint: str = "") -> StreamsegError:
    """ONNX Runtime's exception as one of ours, its first line without the codes.

    `ours` are the classes that blame the model or its feeds; where it is None, all but those that blame the machine.
    `hint` is for those.
    """
    if isinstance(error, StreamsegError):
        return error
    kind = type(error).__name__
    line = " ".join(str(error).split()).replace(f"Load model from {file} failed:", "")
    if newer := _newer(line, file):
        return newer
    told = _OF_CUDA.search(line)
    own = _PLACE.sub("", _NODE.sub(r"\1: ", line.split(" : ", 3)[-1].strip()))[:200]
    reason = told[0].strip() if told else own or kind
    machine = kind in _MACHINE_FAULTS if ours is None else kind not in ours
    if machine or isinstance(error, MemoryError):
        return BackendError(f"{file}: ONNX Runtime cannot run it: {reason}")
    return InputError(f"{file}: ONNX Runtime refuses it: {reason}", hint)


def _newer(line: str, file: Path) -> InputError | None:
    """That a model is newer than this ONNX Runtime, which says so in a page of its own concerns."""
    if found := _NEWER_SET.search(line):
        opset, domain, most = found.groups()
        of = "" if domain == "ai.onnx" else f" of {domain}"
        told = f"{file}: is of opset {opset}{of}, this ONNX Runtime takes {most} at most"
        return InputError(told, f"export it with opset {most}{of} or lower, or update onnxruntime")
    if found := _NEWER_FORMAT.search(line):
        told = f"{file}: is of ONNX's IR version {found[1]}, this ONNX Runtime takes {found[2]} at most"
        return InputError(told, "update onnxruntime, or export it with an older package onnx")
    return None
