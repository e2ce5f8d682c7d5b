"""What this machine is, as far as speed depends on it."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import math
import os
import platform
from pathlib import Path

from streamseg.cgroup import cpu_quota

_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "openvino")
_ON_OTHERS = tuple(f"onnxruntime-{kind}" for kind in ("directml", "migraphx", "openvino", "qnn", "rocm"))
_ON_NVIDIA = (
    "pycuda",
    "cuda-bindings",
    "tensorrt",
    "tensorrt-cu12",
    "tensorrt-cu13",
    "tensorrt-rtx",
    "tensorrt-rtx-cu13-bindings",
    "tensorrt-rtx-cu13-libs",
    "onnxruntime-ep-nv-tensorrt-rtx-cu13",
)


_most_cores = 1 << 16


def available_cores() -> int:
    """Cores this process may use, which in a container can be fewer than the machine has.

    A part of a core counts as one: half a core still runs a thread, if slowly.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return max(1, min(cores, _most_cores, cores if quota is None else math.ceil(quota)))


def limit_cores(count: int) -> None:
    """From now on this process counts on `count` cores at most: others do the same work beside it."""
    global _most_cores
    _most_cores = count


def nvidia_driver() -> str:
    """What shows that an NVIDIA driver is here, a path; empty where none is."""
    # WSL, gVisor and a service with `ProcSubset=pid` have nothing in /proc.
    known = ("/proc/driver/nvidia/version", "/etc/nv_tegra_release", "/dev/nvidiactl", *_libcuda())
    return next((path for path in known if Path(path).exists()), "")


def _libcuda() -> list[str]:
    """Where the driver's library may lie: where the loader looks, and where containers, WSL and Jetsons put it."""
    system = f"/usr/lib/{platform.machine()}-linux-gnu"
    jetson = f"{system}/nvidia", f"{system}/tegra"  # of JetPack 6 and newer, and of those before
    usual = (system, *jetson, "/usr/lib64", "/usr/lib/wsl/lib", "/usr/local/nvidia/lib64")
    folders = [*filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")), *usual]
    return [f"{folder}/libcuda.so.1" for folder in folders]


def nvidia_gpus() -> tuple[str, ...]:
    """The names of NVIDIA's GPUs in CUDA's order, those alone that `CUDA_VISIBLE_DEVICES` shows; starts CUDA.

    The driver itself is asked: networks and decoders reach it through any of several packages.
    """
    if not nvidia_driver():
        return ()
    count, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
            return ()
        names = []
        for number in range(count.value):
            driver.cuDeviceGet(ctypes.byref(device), number)
            driver.cuDeviceGetName(name, len(name), device)
            names.append(name.value.decode(errors="replace"))
    except (OSError, AttributeError):  # it does not load, or is no driver
        return ()
    return tuple(names)


def machine_key() -> dict[str, str]:
    """Processor, cores, GPU and versions of what runs networks: times taken under one key mean nothing elsewhere."""
    name, features = _processor()
    return (
        {"processor": name, "features": features, "cores": str(available_cores())}
        | {package: version_of(package) for package in _RUNTIMES}
        | {package: version for package in _ON_OTHERS if (version := version_of(package))}
        | _nvidia()
    )


def _nvidia() -> dict[str, str]:
    """GPUs, driver and the versions of what runs there, as far as they are to be had without loading any of it."""
    if not nvidia_driver():
        return {}
    told = Path("/proc/driver/nvidia")
    lines = [line for file in sorted(told.glob("gpus/*/information")) for line in _lines(file)]
    gpus = [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    libraries = [Path(path).resolve().name for path in _libcuda() if Path(path).exists()]
    driver = [*_lines(told / "version"), *_lines(Path("/etc/nv_tegra_release")), *libraries]
    found = {"gpus": "; ".join(gpus), "driver": "".join(driver[:1])}
    return found | {package: version for package in _ON_NVIDIA if (version := version_of(package))}


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []


def version_of(package: str) -> str:
    """The installed version, or an empty text."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _processor() -> tuple[str, str]:
    """Its name and a digest of its instruction sets, which virtual machines hide behind one name."""
    lines = _lines(Path("/proc/cpuinfo"))
    said = dict(line.replace("\t", "").split(": ", 1) for line in reversed(lines) if ": " in line)
    features = said.get("flags") or said.get("Features") or ""
    return said.get("model name") or platform.machine(), hashlib.sha256(features.encode()).hexdigest()[:12]
