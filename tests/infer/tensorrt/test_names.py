"""The doubles have no name that the real libraries have not, where those are here; and nothing loads them in vain."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamseg.infer.backends.tensorrt.library import is_installed, load_library
from tests.parts import fake_builder, fake_cuda, fake_rtx, fake_tensorrt
from tests.parts.gpu_machine import Machine

OURS = ("world", "names", "run", "shapes_for", "numpy", "as_tuple", "cache", "compile", "kernels")
DOUBLES = {
    "Builder": fake_builder.Builder,
    "IBuilderConfig": fake_builder.Config,
    "ICudaEngine": fake_tensorrt.Engine,
    "IExecutionContext": fake_tensorrt.ExecutionContext,
    "INetworkDefinition": fake_builder.Network,
    "IOptimizationProfile": fake_builder.Profile,
    "IRuntimeCache": fake_rtx.RuntimeCache,
    "IRuntimeConfig": fake_rtx.RuntimeConfig,
    "OnnxParser": fake_builder.OnnxParser,
    "ParserError": fake_builder.ParserError,
    "Runtime": fake_tensorrt.Runtime,
    "DataType": fake_tensorrt.DataType,
    "TensorIOMode": fake_tensorrt.TensorIOMode,
    "TensorLocation": fake_tensorrt.TensorLocation,
    "ILogger": fake_builder.ILogger,
}
HEAVY = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings", "tensorrt_rtx_libs", "pycuda", "cuda")


@pytest.mark.parametrize("name", DOUBLES)
def test_the_double_of_tensorrt_has_no_name_of_its_own(name: str) -> None:
    if not is_installed("tensorrt-rtx"):
        pytest.skip("TensorRT-RTX is not installed: pip install '.[build]'")
    real = getattr(load_library("tensorrt-rtx").module, name)
    double = DOUBLES[name]
    used = {word for word in dir(double) if not word.startswith("_")} - set(OURS)
    assert used
    assert used <= set(dir(real))


def test_the_libraries_of_tensorrt_rtx_hide_their_names_from_others() -> None:
    """They are those of TensorRT proper: whatever loads that afterwards would get RTX."""
    if not is_installed("tensorrt-rtx"):
        pytest.skip("TensorRT-RTX is not installed: pip install 'streamseg[build]'")
    code = """
import ctypes
from streamseg.infer.backends.tensorrt.library import load_library
load_library("tensorrt-rtx")
print(hasattr(ctypes.CDLL(None), "createInferBuilder_INTERNAL"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    "kind",
    [
        "ICudaEngine",
        "IExecutionContext",
        "Runtime",
        "Builder",
        "IOptimizationProfile",
        "IRuntimeCache",
        "IRuntimeConfig",
    ],
)
def test_the_doubles_arguments_are_called_as_they_really_are(kind: str) -> None:
    if not is_installed("tensorrt-rtx"):
        pytest.skip("TensorRT-RTX is not installed: pip install '.[build]'")
    real = getattr(load_library("tensorrt-rtx").module, kind)
    for name, method in vars(DOUBLES[kind]).items():
        if name.startswith("_") or name in OURS or not inspect.isfunction(method):
            continue
        for argument in list(inspect.signature(method).parameters)[1:]:
            assert f"{argument}: " in (getattr(real, name).__doc__ or ""), f"{kind}.{name}({argument})"


def test_the_double_of_pycuda_has_no_name_of_its_own(machine: Machine) -> None:
    double: Any = sys.modules.pop("pycuda.driver")
    del sys.modules["pycuda"]
    if importlib.util.find_spec("pycuda") is None:
        pytest.skip("pycuda is not installed")
    try:
        real = importlib.import_module("pycuda.driver")
    except ImportError as error:
        pytest.skip(f"pycuda does not load: {error}")
    used = {word for word in (*vars(double), *vars(type(double))) if not word.startswith("_")} - {"gpu", "ready"}
    assert used <= set(dir(real))
    for name, made in (("DeviceAllocation", fake_cuda.Allocation), ("PagelockedHostAllocation", fake_cuda.Pages)):
        assert "free" in dir(made) and "free" in dir(getattr(real, name))
    assert {"push", "pop"} <= set(dir(real.Context))
    assert {"handle", "synchronize"} <= set(dir(real.Stream))
    assert {"name", "compute_capability", "get_attribute", "retain_primary_context", "count"} <= set(dir(real.Device))


@pytest.mark.parametrize("heavy", HEAVY)
def test_no_module_imports_it_where_it_stands(heavy: str) -> None:
    """Only functions import it: loading a module of streamseg never does."""
    for path in (Path(__file__).parents[3] / "streamseg").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert heavy not in {name.split(".")[0] for name in names}, path


_CHILD = f"""
import sys
import streamseg
light = set(sys.modules)
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
import numpy as np
network = load_segmenter("person").make(1)
network([Frame(np.zeros((48, 64, 3), np.uint8), 0, 0.0, 0.0)])
for name in {HEAVY!r}:
    assert name not in sys.modules, name
assert not light & {{"onnxruntime", "onnx", "cv2", "av"}}, light & {{"onnxruntime", "onnx", "cv2", "av"}}
"""


def test_on_a_machine_without_a_gpu_nothing_of_nvidias_is_loaded() -> None:
    if importlib.util.find_spec("pycuda"):
        pytest.skip("pycuda is here: it is asked whether there is a GPU")
    subprocess.run([sys.executable, "-c", _CHILD], check=True, cwd=Path(__file__).parents[3])
