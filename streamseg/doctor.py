"""What this machine has, and what a run would therefore use."""

from __future__ import annotations

import functools
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
from rich.text import Text

from streamseg import __version__
from streamseg.config import DEFAULT_MODEL
from streamseg.errors import StreamsegError, printable
from streamseg.machine import available_cores, nvidia_driver

_SMALL_MODEL = "person-wide"
_LEAST_AGREEMENT = 0.99


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
            table.add_row(
                "[green]yes[/]" if ok else "[yellow]no[/]", what, Text(printable(says))
            )  # a camera names itself
        Console().print(table)
    return 0 if findings[-1].ok else 5


def examine() -> Iterator[Finding]:
    """Every finding, cheapest first; the last says whether the default model really runs."""
    yield Finding("streamseg", True, f"{__version__}, Python {platform.python_version()}, {platform.machine()}")
    yield Finding("cores", True, f"{available_cores()} of {os.cpu_count()} usable")
    for package in ("numpy", "opencv-python", "av", "onnx", "onnxruntime"):
        yield _package(package)
    for look in (_codecs, _cameras, _display, _gpu, _tensorrt, _providers, _tuned):
        yield _careful(look)
    yield from _chain()
    yield _careful(_inference)


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
        return Finding(getattr(look, "__name__", "").strip("_"), False, f"{type(error).__name__}: {error}")


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
    name = nvidia_driver()
    return Finding("NVIDIA GPU", bool(name), f"driver found in {name}" if name else "no NVIDIA driver loaded")


def _tensorrt() -> Finding:
    if importlib.util.find_spec("tensorrt") is None:
        return Finding("TensorRT", False, "not installed")
    return Finding("TensorRT", True, f"{importlib.metadata.version('tensorrt')} installed")


def _providers() -> Finding:
    import onnxruntime

    return Finding("providers", True, f"ONNX Runtime {', '.join(onnxruntime.get_available_providers())}")


def _chain() -> Iterator[Finding]:
    """Every backend at work on a small network, in the order in which a run tries them."""
    from streamseg.infer.backends import BACKENDS

    taken = False
    for name in BACKENDS:
        what, ok, says = _careful(functools.partial(_backend, name))
        yield Finding(what or f"backend {name}", ok, f"{says}; a run takes it" if ok and not taken else says)
        taken = taken or ok


def _backend(name: str) -> Finding:
    from streamseg.infer.backends import REFERENCE, openers
    from streamseg.infer.catalogue import SHIPPED, load_spec
    from streamseg.infer.network import Network
    from streamseg.infer.stepping import agreement

    what = f"backend {name}"
    file = SHIPPED / f"{_SMALL_MODEL}.onnx"
    try:
        one, other = (Network(load_spec(file), openers(file, 1, each)[each]()) for each in (name, REFERENCE))
    except StreamsegError as error:
        return Finding(what, False, str(error))
    for network in (one, other):
        network.close()
    alike = agreement(one.warmed_up, other.warmed_up)
    says = "" if name == REFERENCE else f", {alike:.1%} of its labels as on {REFERENCE}"
    return Finding(what, alike >= _LEAST_AGREEMENT, f"runs {_SMALL_MODEL}{says}")


def _tuned() -> Finding:
    from streamseg.infer.catalogue import find_model
    from streamseg.infer.tuned import in_words, remembered

    file = find_model(DEFAULT_MODEL)
    found = remembered(file) if file else {}
    says = "; ".join(f"{goal}: {in_words(choice)}" for goal, choice in sorted(found.items()))
    return Finding(f"tuned {DEFAULT_MODEL}", bool(found), says or f"not yet: streamseg tune {DEFAULT_MODEL}")


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
