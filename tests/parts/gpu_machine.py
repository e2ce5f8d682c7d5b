"""A machine with a GPU, its driver, pycuda and TensorRT: doubles, or the real pycuda or cuda-bindings on a driver that
stands in."""

from __future__ import annotations

import functools
import gc
import importlib.machinery
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from streamseg import assembly, infer
from streamseg.cuda import bindings
from streamseg.infer import backends
from streamseg.infer.backends import faults
from streamseg.infer.backends.tensorrt import library
from streamseg.infer.backends.tensorrt.library import load_library
from tests.parts import host_kernels
from tests.parts.fake_builder import World
from tests.parts.fake_cuda import FakeGpu
from tests.parts.fake_driver import FakeDriver
from tests.parts.fake_tensorrt import make_rtx, make_tensorrt
from tests.parts.stand_in import PACKAGE, Driver, StandInGpu


class Machine:
    """What a test may change."""

    def __init__(self, patch: pytest.MonkeyPatch, engines: Path) -> None:
        self._patch = patch
        self.package = os.environ.get(PACKAGE, "")
        """What is real; empty for doubles alone."""
        self.gpu: Any = self._real() if self.package else self._double()
        self.engines = engines
        self.world: World
        patch.setenv("STREAMSEG_ENGINES", str(engines))
        for user in (backends, library):
            patch.setattr(user, "nvidia_driver", lambda: "/proc/driver/nvidia/version")
        self.show(1)
        self.install()

    def show(self, count: int) -> None:
        """So many GPUs of one kind."""
        self.gpu.count = count
        for user in (infer, assembly):
            self._patch.setattr(user, "nvidia_gpus", lambda: ("Test GPU",) * count)

    def _double(self) -> FakeGpu:
        gpu = FakeGpu()
        gpu.kernels = host_kernels.on(gpu) if shutil.which("g++") else {}
        self.put("pycuda", ModuleType("pycuda"))
        self.put("pycuda.driver", FakeDriver(gpu))
        return gpu

    def _real(self) -> StandInGpu:
        driver = _driver(self.package)
        for name, module in driver.modules.items():
            self._patch.setitem(sys.modules, name, module)
        return StandInGpu(driver)

    def install(self, version: str = "11.4.0") -> None:
        """Another version of TensorRT, as after an update and a new start."""
        module: Any = make_tensorrt(self.gpu, version)
        self.put("tensorrt", module)
        self.world = module.world
        load_library.cache_clear()

    def install_rtx(self) -> None:
        """TensorRT-RTX beside it."""
        module: Any = make_rtx(self.gpu)
        self.put("tensorrt_rtx", module)
        self.world = module.world
        load_library.cache_clear()

    def put(self, name: str, module: ModuleType) -> None:
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self._patch.setitem(sys.modules, name, module)

    def refuse(self, image: bytes) -> None:
        """Kernels that the driver does not take."""
        self.gpu.refuse(image)

    def compiler(self, compile_source: Callable[..., bytes]) -> None:
        """What `pycuda.compiler.compile` does, or nvcc."""
        self._patch.setattr(bindings, "_nvcc", lambda source, arch: compile_source(source, no_extern_c=True, arch=arch))
        module: Any = ModuleType("pycuda.compiler")
        module.compile = compile_source
        self.put("pycuda.compiler", module)

    @property
    def plan(self) -> Path:
        """The one engine that is kept."""
        (plan,) = self.engines.glob("*.plan")
        return plan


def real_package() -> str:
    """What machines of this process were really made with; empty where all were doubles."""
    return os.environ.get(PACKAGE, "") if _driver.cache_info().currsize else ""


@functools.cache
def _driver(package: str) -> Driver:
    return Driver(host_kernels.compile_kernels(Path(tempfile.mkdtemp())), package)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Machine]:
    made = Machine(monkeypatch, tmp_path / "engines")
    yield made
    gc.collect()  # what an error still holds goes here, and not while a thread of the next test happens to run
    load_library.cache_clear()
    faults.LOST.clear()
    assert made.gpu.broken == [], made.gpu.broken
    assert not made.gpu.stack, "contexts are left on the thread's stack"
