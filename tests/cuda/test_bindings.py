"""cuda-bindings on a machine that is not perfect; that it works, `test_real_parts.py` shows on the real one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from streamseg.cuda.bindings import BindingsRuntime, open_bindings
from streamseg.cuda.driver import PycudaRuntime, has_package, open_cuda
from streamseg.errors import BackendError
from tests.parts.fake_cuda import FakeGpu
from tests.parts.fake_driver import FakeDriver

WORDS = {100: b"no CUDA-capable device is detected", 719: b"unspecified launch failure", 999: b"unknown error"}
Answer = Callable[..., tuple[Any, ...]]


class FakeBindings(ModuleType):
    """`cuda.bindings.driver` with one GPU, as far as it is asked before anything is put onto it."""

    def __init__(self, **answers: Answer) -> None:
        super().__init__("cuda.bindings.driver")
        attributes = {
            "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR": 12,
            "CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT": 48,
        }
        attributes["CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR"] = 1
        self.CUdevice_attribute = SimpleNamespace(**attributes)
        usual: dict[str, Answer] = {
            "cuInit": lambda flags: (0,),
            "cuDeviceGetCount": lambda: (0, 1),
            "cuDeviceGet": lambda ordinal: (0, ordinal),
            "cuDeviceGetAttribute": lambda attribute, device: (0, attribute),
            "cuDeviceGetName": lambda size, device: (0, b"NVIDIA GB10\0" + b" " * (size - 12)),
            "cuDevicePrimaryCtxRetain": lambda device: (0, "context"),
            "cuDevicePrimaryCtxRelease": lambda device: (0,),
            "cuGetErrorString": lambda code: (0, WORDS.get(code)),
        }
        self.__dict__.update(usual | answers)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Puts cuda-bindings here, with answers of its own, and takes pycuda away."""
    (tmp_path / "cuda" / "bindings").mkdir(parents=True)

    def put(**answers: Answer) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "pycuda"]:
            monkeypatch.delitem(sys.modules, name)
        for name, module in (
            ("cuda", ModuleType("cuda")),
            ("cuda.bindings", ModuleType("cuda.bindings")),
            ("cuda.bindings.driver", FakeBindings(**answers)),
        ):
            module.__spec__ = ModuleSpec(name, None, is_package=True)
            module.__spec__.submodule_search_locations = [str(tmp_path / name)]
            monkeypatch.setitem(sys.modules, name, module)

    return put


def test_the_gpu_is_named_as_with_pycuda(here: Callable[..., None]) -> None:
    here()
    assert str(open_bindings().gpu) == "NVIDIA GB10 (sm121, 48 multiprocessors)"


def test_it_is_taken_where_pycuda_is_not(here: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    here()
    assert has_package()
    assert isinstance(open_cuda(), BindingsRuntime)
    for name, module in (("pycuda", ModuleType("pycuda")), ("pycuda.driver", FakeDriver(FakeGpu()))):
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    assert isinstance(open_cuda(), PycudaRuntime)


def no_driver(*_: object) -> tuple[Any, ...]:
    raise RuntimeError('"cuda" is an NVIDIA driver library\nand can only be found via system search.')


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"cuInit": no_driver}, r"no NVIDIA driver: \"cuda\" is .* library and can .*install NVIDIA's driver"),
        ({"cuInit": lambda flags: (100,)}, "there is no NVIDIA GPU: cuInit failed: no CUDA-capable device is detected"),
        ({"cuDeviceGetCount": lambda: (0, 0)}, "there is no NVIDIA GPU .CUDA_VISIBLE_DEVICES hides it"),
        (
            {"cuDevicePrimaryCtxRetain": lambda device: (719,)},
            "the GPU failed: cuDevicePrimaryCtxRetain failed: unspec",
        ),
        ({"cuDeviceGet": lambda ordinal: (12345, None)}, "the GPU failed: cuDeviceGet failed: 12345"),
        ({"cuDeviceGet": no_driver}, "the GPU failed: cuDeviceGet failed: .* only be found"),
    ],
)
def test_what_goes_wrong_is_one_line(here: Callable[..., None], answers: dict[str, Answer], says: str) -> None:
    here(**answers)
    with pytest.raises(BackendError, match=says) as caught:
        open_bindings()
    assert "\n" not in str(caught.value)


def test_where_it_does_not_load_that_is_said(here: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    here()
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    with pytest.raises(BackendError, match="cuda-bindings does not load: .*pip install cuda-bindings"):
        open_cuda()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ('while [ "$1" != -o ]; do shift; done; echo "$@" >"$2"', ""),
        (
            "echo first >&2; echo 'kernels.cu(1): error: no' >&2; exit 2",
            r"nvcc does not compile .*: kernels.cu\(1\): error",
        ),
        ("exit 0", "nvcc does not compile .*No such file"),
        (None, "nvcc does not compile .*No such file"),
    ],
)
def test_kernels_are_compiled_by_nvcc(
    here: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None, says: str
) -> None:
    here()
    if script is not None:
        (tmp_path / "nvcc").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvcc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin" if script else str(tmp_path))
    cuda = open_bindings()
    if says:
        with pytest.raises(BackendError, match=says):
            cuda.compile("source")
    else:
        assert cuda.compile("source").endswith(b"kernels.cu\n")
