"""The check for machines with a GPU: one line where there is none, and what it does on the double of one."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamseg.infer.backends.tensorrt.cuda import open_cuda
from streamseg.infer.backends.tensorrt.kernels import Kernels
from tests.parts.gpu_machine import Machine

TOOL = Path(__file__).parents[3] / "tools" / "gpu_check.py"


def check(path: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *words]
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(TOOL.parents[1])}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)


def program(folder: Path, says: str, code: int) -> str:
    """A folder with an `nvidia-smi` that says this."""
    file = folder / "nvidia-smi"
    file.write_text(f"#!{shutil.which('sh')}\necho '{says}'\nexit {code}\n")
    file.chmod(0o755)
    return str(folder)


def test_without_a_gpu_it_says_so_in_one_line_and_exits_3(tmp_path: Path) -> None:
    for path in (str(tmp_path), program(tmp_path, "NVIDIA-SMI has failed", 9)):
        done = check(path)
        assert done.returncode == 3
        assert done.stdout == ""
        assert done.stderr == "gpu_check: no NVIDIA GPU answers here: `nvidia-smi` must list one\n"


def test_what_cannot_be_run_is_named_with_what_is_missing(tmp_path: Path) -> None:
    done = check(program(tmp_path, "A Card, 1, 2 MiB", 0), "--model", "person", "--frames", "1")
    assert done.returncode == 0, done.stderr
    assert "## On A Card, 1, 2 MiB" in done.stdout
    assert "`ort-cuda` was not run: " in done.stdout


@pytest.fixture
def tool(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Its functions, on a machine with the double of a GPU and a driver that answers."""
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    monkeypatch.setenv("PATH", f"{program(tmp_path, '700 MiB', 0)}:{os.environ['PATH']}")
    return runpy.run_path(str(TOOL))


def test_kernels_are_held_against_opencv_and_numpy(
    machine: Machine, tool: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tool["check_kernels"](open_cuda()) == []
    monkeypatch.setattr(Kernels, "pick", lambda *_: None)
    monkeypatch.setattr(Kernels, "fit", lambda *_: None)
    wrong = tool["check_kernels"](open_cuda())
    assert [line.split()[0] for line in wrong] == ["fit", "fit", "pick"]
    assert machine.gpu.leaks() == []


def test_a_backend_is_held_against_the_cpu_and_its_bytes_are_counted(machine: Machine, tool: dict[str, Any]) -> None:
    row = tool["measure"](Path("streamseg/infer/models/person-wide.onnx").absolute(), "tensorrt", 3)
    assert row.agreement > 0.99
    assert 0 < row.p50_ms <= row.p95_ms
    assert row.bus_mb == pytest.approx((256 * 144 * 3 + 256 * 144) / 1e6, rel=0.5)
    assert machine.gpu.leaks() == []
