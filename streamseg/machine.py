"""What this machine is, as far as speed depends on it."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path

_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "openvino")


def available_cores() -> int:
    """Cores this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def nvidia_driver() -> str:
    """The file in which an NVIDIA driver says that it is loaded; empty where none is."""
    known = ("/proc/driver/nvidia/version", "/etc/nv_tegra_release")
    return next((path for path in known if Path(path).exists()), "")


def machine_key() -> dict[str, str]:
    """Processor, cores and versions of what runs networks: times taken under one key mean nothing under another."""
    name, features = _processor()
    return {"processor": name, "features": features, "cores": str(available_cores())} | {
        package: version_of(package) for package in _RUNTIMES
    }


def version_of(package: str) -> str:
    """The installed version, or an empty text."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _processor() -> tuple[str, str]:
    """Its name and a digest of its instruction sets, which virtual machines hide behind one name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    said = dict(line.replace("\t", "").split(": ", 1) for line in reversed(lines) if ": " in line)
    features = said.get("flags") or said.get("Features") or ""
    return said.get("model name") or platform.machine(), hashlib.sha256(features.encode()).hexdigest()[:12]
