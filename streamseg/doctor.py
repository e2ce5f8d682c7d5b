"""What this machine has, and what a run would therefore use."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from streamseg import __version__
from streamseg.assembly import available_cores
from streamseg.config import DEFAULT_MODEL
from streamseg.errors import StreamsegError


class Finding(NamedTuple):
    """One line of the report."""

    what: str
    ok: bool
    says: str


def print_report(*, as_json: bool) -> int:
    """Looks and prints; exit code 0 where the default model runs, else 5."""
    findings = list(examine())
    if as_json:
        print(msgspec.json.encode([finding._asdict() for finding in findings]).decode())
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        for what, ok, says in findings:
            table.add_row("[green]yes[/]" if ok else "[yellow]no[/]", what, says)
        Console().print(table)
    return 0 if findings[-1].ok else 5


def examine() -> Iterator[Finding]:
    """Every finding, cheapest first; the last says whether the default model really runs."""
    yield Finding("streamseg", True, f"{__version__}, Python {platform.python_version()}, {platform.machine()}")
    yield Finding("cores", True, f"{available_cores()} of {os.cpu_count()} usable")
    for package in ("numpy", "opencv-python", "av", "onnx", "onnxruntime"):
        yield _package(package)
    for look in (_codecs, _cameras, _display, _gpu, _tensorrt, _providers, _backends, _inference):
        yield _careful(look)


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, f"not installed as this package: pip install {name}")


def _careful(look: Callable[[], Finding]) -> Finding:
    """A look that fails is a finding too: the report is read when something is broken."""
    try:
        return look()
    except Exception as error:
        return Finding(look.__name__.strip("_"), False, f"{type(error).__name__}: {error}")


def _codecs() -> Finding:
    import av

    wanted = {"decode": ("h264", "hevc", "av1", "mjpeg", "vp9"), "encode": ("libx264",)}
    modes = {"decode": "r", "encode": "w"}
    have = {what: [name for name in names if _codec(av, name, modes[what])] for what, names in wanted.items()}
    text = "; ".join(f"{what} {', '.join(names) or 'none'}" for what, names in have.items())
    return Finding("codecs", all(have.values()), f"{text} (FFmpeg in PyAV {av.__version__})")


def _codec(av: object, name: str, mode: str) -> bool:
    try:
        av.Codec(name, mode)  # type: ignore[attr-defined]
    except Exception:
        return False
    return True


def _cameras() -> Finding:
    from streamseg.capture.camera import cameras

    found = cameras()
    return Finding("cameras", bool(found), ", ".join(found) or "none: no /dev/video*")


def _display() -> Finding:
    from streamseg.sinks.window import display_problem

    problem = display_problem()
    return Finding("display", problem is None, problem or "a window can be shown: the default output")


def _gpu() -> Finding:
    name = next((path for path in ("/proc/driver/nvidia/version", "/etc/nv_tegra_release") if os.path.exists(path)), "")  # noqa: PTH110
    return Finding("NVIDIA GPU", bool(name), f"driver found in {name}" if name else "no NVIDIA driver loaded")


def _tensorrt() -> Finding:
    if importlib.util.find_spec("tensorrt") is None:
        return Finding("TensorRT", False, "not installed")
    return Finding("TensorRT", True, f"{importlib.metadata.version('tensorrt')} installed")


def _providers() -> Finding:
    import onnxruntime

    return Finding("providers", True, f"ONNX Runtime {', '.join(onnxruntime.get_available_providers())}")


def _backends() -> Finding:
    from streamseg.infer.backends import BACKENDS

    return Finding("backends", True, f"tried in this order: {', '.join(BACKENDS)}, then classical methods by name")


def _inference() -> Finding:
    """Loads the default model and runs it, as `run` would."""
    from streamseg.capture import open_source
    from streamseg.infer import load_recipe

    what = f"model {DEFAULT_MODEL}"
    try:
        source = open_source("test://?frames=20")
        segment = load_recipe(DEFAULT_MODEL).make(available_cores())
        times_ms = []
        for frame in source:
            started_s = time.perf_counter()
            segment([frame])
            times_ms.append((time.perf_counter() - started_s) * 1e3)
        segment.close()
    except StreamsegError as error:
        return Finding(what, False, str(error))
    return Finding(
        what, True, f"runs: {sorted(times_ms)[len(times_ms) // 2]:.1f} ms a frame (median of {len(times_ms)})"
    )
