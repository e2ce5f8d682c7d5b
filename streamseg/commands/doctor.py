"""`streamseg doctor`: what this machine has, and what a run would therefore use."""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from streamseg import __version__, entrypoints, installing, runtimes
from streamseg.cgroup import cpu_quota
from streamseg.commands.flags import add_gpu, add_json
from streamseg.config import DEFAULT_MODEL
from streamseg.errors import StreamsegError, printable
from streamseg.machine import available_cores, nvidia_driver, nvidia_gpus, version_of

_SMALL_MODEL = "person-wide"
_LEAST_AGREEMENT = 0.99


_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_ONNXRUNTIME = (
    "onnxruntime", *(f"onnxruntime-{kind}" for kind in ("gpu", "openvino", "migraphx", "rocm", "directml"))
)  # fmt: skip
_PACKAGES = {"numpy": ("numpy",), "cv2": _OPENCV, "av": ("av",), "onnx": ("onnx",), "onnxruntime": _ONNXRUNTIME}
"""What streamseg is made with, by what is imported; where there are several names of packages, any will do."""


class Finding(NamedTuple):
    """One line of the report; what is not `ok` is missing if it is `needed`, else it is optional."""

    what: str
    ok: bool
    says: str
    needed: bool = False

    @property
    def state(self) -> str:
        """`fine`, `optional` (streamseg runs without it) or `missing` (it does not)."""
        return "fine" if self.ok else "missing" if self.needed else "optional"


_COLOURS = {"fine": "green", "optional": "dim", "missing": "red"}


def add_flags(command: argparse.ArgumentParser) -> None:
    """How it is told."""
    add_gpu(command)
    add_json(command)


def run(arguments: argparse.Namespace) -> int:
    """Looks and prints; exit code 0 where the default model runs, else 5."""
    from streamseg.infer import check_gpu
    from streamseg.stdio import print_json

    check_gpu(arguments.gpu)
    findings = list(examine(arguments.gpu))
    if arguments.json:
        print_json([{"what": each.what, "state": each.state, "ok": each.ok, "says": each.says} for each in findings])
    else:
        _print_table(findings)
    return 0 if findings[-1].ok else 5


def _print_table(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for each in findings:  # a camera names itself
        table.add_row(Text(each.state, _COLOURS[each.state]), Text(each.what), Text(printable(each.says)))
    Console().print(table)
    Console().print(f"\n{_verdict(findings)}", highlight=False, markup=False)


def _verdict(findings: Sequence[Finding]) -> str:
    missing = [each.what for each in findings if each.state == "missing"]
    return (
        f"missing: {', '.join(missing)}"
        if missing
        else "Ready to run. What is optional is only for what its line says."
    )


def examine(gpu: int | None = None) -> Iterator[Finding]:
    """Every finding, cheapest first; the last says whether the default model really runs. `gpu` as `load_segmenter`."""
    yield Finding("streamseg", True, f"{__version__}, Python {platform.python_version()}, {platform.machine()}")
    quota = cpu_quota()
    limit = "" if quota is None else f": the container's quota is {quota:g}"
    yield Finding("cores", True, f"{available_cores()} of {os.cpu_count()} usable{limit}")
    for module, names in _PACKAGES.items():
        yield _package(module, names)
    yield _careful("codecs", _codecs)._replace(needed=True)
    for what, look in (("cameras", _cameras), ("display", _display), ("NVIDIA GPU", _gpu)):
        yield _careful(what, look)
    for number, name in enumerate(nvidia_gpus()):
        yield Finding(f"NVIDIA GPU {number}", True, name)
    for what, look in (("TensorRT", _tensorrt), ("providers", _providers), (f"tuned {DEFAULT_MODEL}", _tuned)):
        yield _careful(what, look)
    yield from _added()
    yield from _chain(gpu or 0)
    yield _careful(f"model {DEFAULT_MODEL}", lambda: _inference(gpu))._replace(needed=True)


def _package(module: str, names: tuple[str, ...]) -> Finding:
    """The first of `names` that is installed, else what is imported: Conda and Linux have names of their own."""
    for name in names:
        if version := version_of(name):
            return Finding(name, True, version)
    try:
        there = runtimes.onnxruntime() if module == "onnxruntime" else importlib.import_module(module)
        return Finding(module, True, there.__version__)
    except Exception:  # of a folder that an uninstalled package left, too
        pass
    return Finding(names[0], False, f"not installed: {installing.package(names[0])}", needed=True)


def _careful(what: str, look: Callable[[], tuple[bool, str]]) -> Finding:
    """Whether it is fine, and what is said; a look that fails is a finding too: it is read when something is broken."""
    try:
        return Finding(what, *look())
    except StreamsegError as error:
        return Finding(what, False, str(error))
    except Exception as error:
        return Finding(what, False, f"{type(error).__name__}: {error}")


def _codecs() -> tuple[bool, str]:
    import av

    wanted = {"decode": ("h264", "hevc", "av1", "mjpeg", "vp9"), "encode": ("libx264", "libx265")}
    modes = {"decode": "r", "encode": "w"}
    have = {what: [name for name in names if _codec(av, name, modes[what])] for what, names in wanted.items()}
    text = "; ".join(f"{what} {', '.join(names) or 'none'}" for what, names in have.items())
    ok = bool(have["decode"]) and "libx264" in have["encode"]
    return ok, f"{text} (FFmpeg in PyAV {av.__version__})"


def _codec(av: object, name: str, mode: str) -> bool:
    try:
        av.Codec(name, mode)  # type: ignore[attr-defined]
    except Exception:
        return False
    return True


def _cameras() -> tuple[bool, str]:
    from streamseg.capture.camera import cameras

    found = cameras()
    return bool(found), ", ".join(found) or "none on this machine (no /dev/video*)"


def _display() -> tuple[bool, str]:
    from streamseg.sinks.window import display_problem

    problem = display_problem()
    return problem is None, f"{problem}: no window, all other outputs" if problem else "a window"


def _gpu() -> tuple[bool, str]:
    name = nvidia_driver()
    return bool(name), f"driver found in {name}" if name else "none (no NVIDIA driver loaded): runs on the CPU"


def _tensorrt() -> tuple[bool, str]:
    if importlib.util.find_spec("tensorrt") is None:
        return False, "not installed: for an NVIDIA GPU"
    versions = (version_of(package) for package in ("tensorrt", "tensorrt-cu12", "tensorrt-cu13"))
    return True, f"{next(filter(None, versions), 'of no package')} installed"


def _providers() -> tuple[bool, str]:
    providers = runtimes.onnxruntime().get_available_providers()
    return True, f"ONNX Runtime {', '.join(providers)}"


def _added() -> Iterator[Finding]:
    """Parts that other packages add, and whether each can be loaded."""
    for kind in entrypoints.KINDS:
        for part in entrypoints.parts(kind).values():
            what = f"{kind.removesuffix('s')} {part.name}"
            try:
                part.load()
            except StreamsegError as error:
                yield Finding(what, False, str(error), needed=True)
            else:
                yield Finding(what, True, f"added by {part.package}")


def _chain(gpu: int) -> Iterator[Finding]:
    """Every backend at work on a small network, in the order in which a run tries them; then what it never tries."""
    from streamseg.infer.backends import BACKENDS, ON_REQUEST
    from streamseg.infer.backends.faults import ON_NVIDIA

    taken = False
    for name in BACKENDS:
        found = _careful(f"backend {name}", functools.partial(_backend, name, gpu))
        says = f"{found.says}; a run takes it" if found.ok and not taken else found.says
        yield found._replace(says=says if found.ok or name not in ON_NVIDIA else f"for an NVIDIA GPU: {says}")
        taken = taken or found.ok
    for name in ON_REQUEST:
        found = _careful(f"backend {name}", functools.partial(_backend, name, gpu))
        yield found._replace(says=f"{found.says}; only where named, or found quicker by `tune`") if found.ok else found


def _backend(name: str, gpu: int) -> tuple[bool, str]:
    from streamseg.infer.backends import REFERENCE, openers
    from streamseg.infer.backends.faults import stepping_down
    from streamseg.infer.failover import agreement
    from streamseg.infer.model.catalogue import SHIPPED, load_spec
    from streamseg.infer.network import Network

    file = SHIPPED / f"{_SMALL_MODEL}.onnx"
    with stepping_down(name, gpu):
        one, other = (Network(load_spec(file), openers(file, 1, each, gpu=gpu)[each]()) for each in (name, REFERENCE))
    for network in (one, other):
        network.close()
    alike = agreement(one.warmed_up, other.warmed_up)
    says = "" if name == REFERENCE else f", {alike:.1%} of its labels as on {REFERENCE}"
    return alike >= _LEAST_AGREEMENT, f"runs {_SMALL_MODEL}{says}"


def _tuned() -> tuple[bool, str]:
    from streamseg.infer.model.catalogue import find_model
    from streamseg.infer.tuning_store import in_words, remembered

    file = find_model(DEFAULT_MODEL)
    found = remembered(file) if file else {}
    says = "; ".join(f"{goal}: {in_words(choice)}" for goal, choice in sorted(found.items()))
    return bool(found), says or f"not yet: streamseg tune {DEFAULT_MODEL}"


def _inference(gpu: int | None = None) -> tuple[bool, str]:
    """Loads the default model and runs it, as `run` would."""
    from streamseg.capture import open_source
    from streamseg.infer import load_segmenter

    source = open_source("test://?frames=20")
    segment = load_segmenter(DEFAULT_MODEL, gpu=gpu).make(available_cores())
    times_ms = []
    for frame in source:
        started_s = time.perf_counter()
        segment([frame])
        times_ms.append((time.perf_counter() - started_s) * 1e3)
    segment.close()
    return True, f"runs: {sorted(times_ms)[len(times_ms) // 2]:.1f} ms a frame (median of {len(times_ms)})"
