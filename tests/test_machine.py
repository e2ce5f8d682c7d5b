from __future__ import annotations

from pathlib import Path

import pytest

from streamseg import machine


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without anything of NVIDIA's, whatever this one has."""
    real = Path.exists
    monkeypatch.setattr(
        Path, "exists", lambda path: "nvidia" not in str(path) and "cuda" not in str(path) and real(path)
    )
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)


@pytest.mark.parametrize(
    "shows",
    [
        "/proc/driver/nvidia/version",
        "/dev/nvidiactl",
        "/usr/lib/wsl/lib/libcuda.so.1",
        "/usr/lib64/libcuda.so.1",
        "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1",
        "/usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1",
    ],
)
def test_a_driver_is_found_by_whatever_of_it_can_be_seen(
    bare: None, monkeypatch: pytest.MonkeyPatch, shows: str
) -> None:
    assert machine.nvidia_driver() == ""
    if "aarch64" in shows:
        monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == shows)
    assert machine.nvidia_driver() == shows


def test_a_driver_that_does_not_load_shows_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "nvidia_driver", lambda: "")
    assert machine.nvidia_gpus() == ()
    monkeypatch.setattr(machine, "nvidia_driver", lambda: "/dev/nvidiactl")
    for raised in (OSError("libcuda.so.1: cannot open shared object file"), AttributeError("undefined symbol: cuInit")):

        def fails(name: str, raised: Exception = raised) -> None:
            raise raised

        monkeypatch.setattr("ctypes.CDLL", fails)
        assert machine.nvidia_gpus() == ()


def test_a_drivers_library_is_found_where_the_loader_is_told_to_look(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "libcuda.so.580.95.05").touch()
    (tmp_path / "libcuda.so.1").symlink_to("libcuda.so.580.95.05")
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{tmp_path}")
    assert machine.nvidia_driver()
    assert machine.machine_key()["driver"]


def test_another_gpu_driver_or_library_is_another_machine(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    without = machine.machine_key()
    assert "gpus" not in without
    told = {
        "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05\nGCC version: 12\n",
        "/proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA GeForce RTX 4060\nIRQ: 5\n",
    }
    read = Path.read_text
    monkeypatch.setattr(Path, "exists", lambda path: str(path) in told)
    monkeypatch.setattr(
        Path, "glob", lambda path, pattern: [Path(file) for file in told if file.endswith("information")]
    )
    monkeypatch.setattr(Path, "read_text", lambda path, **how: told.get(str(path)) or read(path, **how))
    versions = {"tensorrt": "11.4.0", "pycuda": "2026.1"}
    monkeypatch.setattr(machine, "version_of", lambda package: versions.get(package, ""))
    key = machine.machine_key()
    assert key["gpus"] == "NVIDIA GeForce RTX 4060"
    assert key["driver"] == "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05"
    assert (key["tensorrt"], key["pycuda"]) == ("11.4.0", "2026.1")
    versions["tensorrt"] = "11.5.0"
    assert machine.machine_key() != key


@pytest.mark.parametrize("package", ["onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-rocm"])
def test_another_build_of_onnx_runtime_is_another_machine(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {package: "1.24.1"}
    monkeypatch.setattr(machine, "version_of", lambda name: versions.get(name, ""))
    before = machine.machine_key()
    versions[package] = "1.25.0"
    assert machine.machine_key() != before
