"""The checks for machines with a GPU: one line where there is none, and what they do where one is doubled."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.machine import nvidia_driver
from tests.parts.gpu_machine import Machine
from tests.parts.stand_in import PACKAGES, environment

TOOLS = Path(__file__).parents[3] / "tools"


def tool(name: str, variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOLS / name), *words],
        capture_output=True, text=True, timeout=500, check=False, cwd=TOOLS.parent, env=variables,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["gpu_check", "gpu_probe"])
def test_without_a_gpu_they_say_so_in_one_line_and_exit_3(name: str) -> None:
    if nvidia_driver():
        pytest.skip("there is a GPU")
    done = tool(f"{name}.py", {**os.environ, "PYTHONPATH": str(TOOLS.parent)})
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == f"{name}: no NVIDIA driver is loaded here: `nvidia-smi` must list a GPU\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("package", PACKAGES)
def test_what_cannot_be_run_is_named_with_what_is_missing(tmp_path: Path, package: str) -> None:
    variables = environment(tmp_path, package) | {"PYTHONWARNINGS": ""}
    done = tool("gpu_check.py", variables, "--model", "person", "--frames", "1")
    assert done.returncode == 0, done.stderr
    assert "## On Test GPU (sm86, 24 multiprocessors), libcuda.so.1, " in done.stdout
    assert "Kernels against OpenCV and NumPy: right." in done.stdout
    for name in ("tensorrt", "ort-cuda"):
        assert f"`{name}` was not run: " in done.stdout
    done = tool("gpu_check.py", variables, "--model", "nothing-of-that-name")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gpu_check: no model 'nothing-of-that-name'")


SEEN = {
    "threads": ["0 bytes were not given back; 0 warnings"],
    "double": [
        "36 networks between the kernels: at least 100.00%", "4 streams on one network: well",
        "0 buffers stay; no rule was broken",
    ],
    "full": ["pycuda._driver.MemoryError: cuMemAlloc failed: out of memory", "and goes on"],
    "lost": [
        "illegal memory access was encountered", "known as the end of CUDA", "pushing and popping: passes",
        "opening anew: passes", "loading kernels anew: BackendError: the GPU failed",
        "and the process lives",
    ],
    "hidden": ["refused: there is no NVIDIA GPU"],
    "workers": ["tensorrt: ", "ort-cuda: "],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_section_of_the_probe_says_what_it_saw(tmp_path: Path) -> None:
    """On the real pycuda and a driver that stands in: that it runs, not what a GPU would show."""
    variables = environment(tmp_path, "pycuda") | {"PYTHONWARNINGS": ""}
    done = tool("gpu_probe.py", variables, *SEEN)
    assert done.returncode == 0, done.stdout
    assert "- GPU not named; driver libcuda.so.1" in done.stdout
    for section, words in SEEN.items():
        (row,) = [line for line in done.stdout.splitlines() if line.startswith(f"| `{section}`: ")]
        assert all(each in row for each in words), row
        if section != "lost":
            assert ", 0 lines of pycuda's own" in row


SMALL = {
    "kernels": (
        "FRAMES, DECODED, SHRUNK = section.FRAMES[:4], section.DECODED[:2], section.SHRUNK[:3]",
        [
            "fit: 0 of 108 cases wrong",
            "pick: 0 of 20 cases wrong",
            "fit of decoded frames: 0 of 18 cases wrong",
            "tint: 0 of 24 cases wrong",
            "shrink: 0 of 3 cases wrong",
        ],
    ),
    "timing": (
        "SIZES, TURNS, TIMED = [((32, 32), (32, 32))], 2, 3",
        [
            "(32, 32) to (32, 32): fit ",
            "0.2 MB: up ",
            "waiting asleep: ",
            "waiting spinning: ",
            "(1080, 1920) to (270, 480): shrink ",
        ],
    ),
    "decoding": (
        "FRAMES, SIZE = 8, (64, 48)",
        ["libx264: CPU ", "libx264: downloaded: ", "libx264: from there through h264_nvenc: "],
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("section", SMALL)
def test_sections_that_take_long_on_a_cpu_see_small_pictures(section: str, tmp_path: Path) -> None:
    change, words = SMALL[section]
    names, _, values = change.partition(" = ")
    targets = ", ".join(f"section.{name}" for name in names.split(", "))
    code = f"from gpu import {section} as section; {targets} = {values}; print(*section.probe(), sep='\\n')"
    variables = environment(tmp_path, "pycuda")
    paths = {"PYTHONPATH": os.pathsep.join([variables["PYTHONPATH"], str(TOOLS)]), "PYTHONWARNINGS": ""}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=variables | paths, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for each in words:
        assert each in done.stdout


@pytest.fixture
def check(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Its functions, on a machine with the double of a GPU."""
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    monkeypatch.syspath_prepend(str(TOOLS))
    found = runpy.run_path(str(TOOLS / "gpu_check.py"))
    monkeypatch.setitem(found["measure"].__globals__, "gpu_mb", lambda: 700.0)
    return found


def test_kernels_are_held_against_opencv_and_numpy(
    machine: Machine, check: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check["wrong_kernels"](open_cuda()) == []
    monkeypatch.setattr(Kernels, "launch", lambda *_: None)
    wrong = check["wrong_kernels"](open_cuda())
    assert [line.split()[0] for line in wrong] == ["fit", "fit", "fit", "pick", "shrink"]
    assert machine.gpu.leaks() == []


def test_a_backend_is_held_against_the_cpu_and_its_bytes_are_counted(machine: Machine, check: dict[str, Any]) -> None:
    row = check["measure"](TOOLS.parent / "streamseg/infer/models/person-wide.onnx", "tensorrt", 3)
    assert row.agreement > 0.99
    assert 0 < row.p50_ms <= row.p95_ms
    assert row.bus_mb == pytest.approx((256 * 144 * 3 + 256 * 144) / 1e6, rel=0.5)
    assert machine.gpu.leaks() == []
