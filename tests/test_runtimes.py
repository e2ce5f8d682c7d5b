"""What runs networks reports nothing to its makers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts.program import environment, run_program

LOADED = """
import sys
from streamseg import runtimes
runtimes.onnxruntime()
if len(sys.argv) > 1: runtimes.openvino()
print(sorted(name for name in sys.modules if name.startswith("openvino_telemetry")))
"""


@pytest.mark.parametrize("backend", ["ort-cpu", "openvino"])
def test_a_run_leaves_nothing_in_the_home_folder(backend: str, tmp_path: Path) -> None:
    if backend == "openvino" and importlib.util.find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    words = ["run", "test://?frames=3", "null", "--model", "person", "--backend", backend]
    done = run_program(*words, env={"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_openvino_is_loaded_without_its_reporter() -> None:
    command = [sys.executable, "-c", LOADED, "openvino"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment(), check=True)
    assert done.stdout == "[]\n"
