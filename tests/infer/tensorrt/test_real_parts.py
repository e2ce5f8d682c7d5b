"""As real as it can be without a GPU: the real pycuda and cuda-bindings on a driver that stands in, TensorRT's real
bindings on libraries that hold nothing, ONNX Runtime's real CUDA provider where CUDA does not start. Each in a process
of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infer.tensorrt.conftest import TOY
from tests.parts.stand_in import PACKAGE, PACKAGES, ROOT, environment
from tests.parts.toy_models import segmenter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ON_THE_DOUBLES = [
    "test_backend.py", "test_faults.py", "test_gpu_flag.py", "test_graphs.py", "test_images.py", "test_lost_gpu.py",
    "test_on_gpu.py", "test_overlay.py", "test_runtime_cache.py", "test_several_gpus.py", "test_stepping_down.py",
    "../../cuda/test_shrink.py", "../../motion/test_gpu_carrier.py",
    "../../motion/test_gpu_left.py",
]  # fmt: skip
DRIVER_IS_HERE = """
from streamseg.infer import backends
from streamseg.infer.backends.tensorrt import library
backends.nvidia_driver = library.nvidia_driver = lambda: "/proc/driver/nvidia/version"
"""


def python(code: str, variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def streamseg(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """The command line on a machine that has a driver, as far as anything can see."""
    code = f"{DRIVER_IS_HERE}\nimport sys\nfrom streamseg.cli import program\nsys.exit(program())"
    return python(code, variables, *words)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(TOY)
    return segmenter(tmp_path / "toy.onnx", size=(None, None), batch=None)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_holds_on_the_double_of_pycuda_holds_on_what_is_real(tmp_path: Path, package: str) -> None:
    told = assert_passes(environment(tmp_path, package) | {PACKAGE: package}, tmp_path, *ON_THE_DOUBLES)
    assert f"on the real {package}" in told


@pytest.mark.parametrize("package", PACKAGES)
def test_what_ffmpeg_decodes_on_a_gpu_stays_there(tmp_path: Path, package: str) -> None:
    tests = "over_stand_in.py", "decoding_over_stand_in.py"
    told = assert_passes(environment(tmp_path, package) | {PACKAGE: package}, tmp_path, *tests)
    assert f"on the real {package}" in told


def test_the_double_of_pycuda_has_the_real_ones_names(tmp_path: Path) -> None:
    name = "test_the_double_of_pycuda_has_no_name_of_its_own"
    assert_passes(environment(tmp_path, "pycuda"), tmp_path, f"test_names.py::{name}")


def assert_passes(variables: dict[str, str], folder: Path, *tests: str) -> str:
    """A run of pytest in a process of its own; gives what it printed."""
    quietly = ["-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", f"--basetemp={folder}/t"]
    done = subprocess.run(
        [sys.executable, *quietly, *(f"{Path(__file__).parent}/{test}" for test in tests)],
        env=variables | {"PYTHONWARNINGS": ""}, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
    assert "PyCUDA" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_a_process_that_used_a_gpu_ends_without_a_word(tmp_path: Path, package: str) -> None:
    code = """
import threading
from streamseg.cuda.driver import open_cuda
def use():
    for _ in range(3):
        cuda = open_cuda()
        with cuda.current():
            cuda.free(cuda.allocate(10))
            cuda.make_stream().synchronize()
use()
threads = [threading.Thread(target=use) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    done = python(code, environment(tmp_path, package))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_gpus_are_those_that_cuda_shows_and_each_has_a_context_of_its_own(tmp_path: Path, package: str) -> None:
    code = """
import ctypes
from streamseg.errors import BackendError
from streamseg.cuda.driver import open_cuda
from streamseg.machine import nvidia_gpus
class Start(ctypes.Structure):
    _fields_ = [("fatal", ctypes.c_long), ("fatal_pop", ctypes.c_long), ("count", ctypes.c_long)]
driver = ctypes.CDLL("libcuda.so.1")
print(*nvidia_gpus(), sep=", ")
Start.in_dll(driver, "stand_in").count = 3
print(*nvidia_gpus(), sep=", ")
for number in (0, 2, 0, 3):
    try:
        cuda = open_cuda(number)
        with cuda.current():
            print(cuda.gpu.number, driver.stand_in_current())
    except BackendError as error:
        print(error.message)
"""
    done = python(code, environment(tmp_path, package))
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert lines == ["Test GPU", "Test GPU, Test GPU, Test GPU", "0 0", "2 2", "0 0"]
    assert last == "the GPU failed: cuDeviceGet failed: invalid device ordinal"


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("workers", [1, 3])
def test_a_gpu_that_refuses_even_to_be_let_go_of_does_not_end_the_process(
    tmp_path: Path, workers: int, package: str
) -> None:
    """pycuda aborts where a thread ends with a context on its stack."""
    code = """
import ctypes, sys, threading
from streamseg.errors import BackendError
from streamseg.cuda.driver import open_cuda
said = []
class Both(ctypes.Structure):
    _fields_ = [("fatal", ctypes.c_long), ("fatal_pop", ctypes.c_long)]
both = Both.in_dll(ctypes.CDLL("libcuda.so.1"), "stand_in")
inside = threading.Barrier(int(sys.argv[1]))
def work():
    cuda = open_cuda()
    try:
        with cuda.current():
            inside.wait(60)
            both.fatal, both.fatal_pop = 999, 1
    except BackendError as error:
        said.append(error.message)
threads = [threading.Thread(target=work) for _ in range(int(sys.argv[1]))]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(*said, "alive", sep="\\n")
"""
    done = python(code, environment(tmp_path, package), str(workers))
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert last == "alive"
    assert len(lines) == workers
    assert all(line.startswith("the GPU failed: cuCtxPopCurrent failed: unknown error") for line in lines)


def test_a_pycuda_for_a_newer_driver_says_what_to_do(tmp_path: Path) -> None:
    variables = environment(tmp_path, "pycuda", driver=False)
    empty = ["gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-x", "c", "/dev/null"]
    subprocess.run([*empty, "-o", str(tmp_path / "libcuda.so.1")], check=True)
    code = """
from streamseg.errors import BackendError
from streamseg.cuda.driver import open_cuda
try:
    open_cuda()
except BackendError as error:
    print(error)
"""
    done = python(code, variables | {"LD_LIBRARY_PATH": str(tmp_path), "PYTHONWARNINGS": ""})
    assert done.stderr == ""
    assert "undefined symbol: cu" in done.stdout
    assert "install a newer driver, or pycuda compiled with an older CUDA toolkit" in done.stdout


def test_the_real_bindings_on_a_driver_that_is_too_old_lead_to_the_next_backend(tmp_path: Path, model: Path) -> None:
    variables = environment(tmp_path, "pycuda", "tensorrt") | {"PYTHONWARNINGS": ""}
    out = tmp_path / "out.jsonl"
    done = streamseg(variables, "run", "test://?frames=12", str(out), "--model", str(model))
    assert done.returncode == 0, done.stderr
    assert len(out.read_text().splitlines()) == 12
    assert (
        "tensorrt: tensorrt 11.4.0.106 does not start: pybind11::init(): factory function returned nullptr"
        in done.stderr
    )
    assert "running on the CPU (ort-cpu) instead" in done.stderr
    done = streamseg(variables, "run", "test://?frames=1", "null", "--model", str(model), "--backend", "tensorrt")
    assert done.returncode == 5
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("init_error", ["", "100"])
def test_onnx_runtime_for_cuda_without_a_usable_gpu_leads_to_the_cpu(
    tmp_path: Path, model: Path, init_error: str
) -> None:
    variables = environment(tmp_path, "onnxruntime-gpu", driver=bool(init_error)) | {"PYTHONWARNINGS": ""}
    out = tmp_path / "out.jsonl"
    words = ["run", "test://?frames=12", str(out), "--model", str(model)]
    done = streamseg(variables | {"STAND_IN_INIT_ERROR": init_error}, *words)
    assert done.returncode == 0, done.stderr
    assert len(out.read_text().splitlines()) == 12
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if "ort-cuda: " in line]
    assert line.endswith("running on the CPU (ort-cpu) instead")
    assert ("CUDA failure 100" if init_error else "did not start: libcuda.so.1: cannot open") in line, line


def test_doctor_says_why_each_is_not_taken(tmp_path: Path) -> None:
    variables = environment(tmp_path, "pycuda", "tensorrt", "onnxruntime-gpu") | {"PYTHONWARNINGS": ""}
    done = streamseg(variables, "doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = {finding["what"]: finding["says"] for finding in json.loads(done.stdout)}
    assert "does not start" in found["backend tensorrt"]
    assert "ort-cuda" in "".join(found) and "a defect" not in "".join(found.values())
