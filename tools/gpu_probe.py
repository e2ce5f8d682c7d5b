"""What only a GPU can show, in a quarter of an hour on any of NVIDIA's: a table in Markdown for docs/tensorrt.md.

    python tools/gpu_probe.py [SECTION ...] > gpu.md

Runs from a checkout, in the environment that streamseg is installed in. Each section has a process of its own, so that
a GPU that one of them loses is there for the next. Whatever is not installed is said, and the rest goes on. Exit code 0
where every section came to its end, 1 where not, 3 without a GPU.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
NO_GPU = 3
LIMIT_S = 180.0
NOISE = re.compile(r"PyCUDA WARNING|^cu[A-Z]\w+ failed: ")  # of destructors
PACKAGES = ("pycuda", "tensorrt", "tensorrt-cu12", "onnxruntime-gpu", "av", "numpy")


class Section(NamedTuple):
    """Where it is, and how it is called."""

    module: str
    function: str
    shows: str


SECTIONS = {
    "kernels": Section("kernels", "probe", "kernels against OpenCV and NumPy"),
    "times": Section("timing", "probe", "what they, copies and waiting cost"),
    "threads": Section("threads", "probe", "made, used and let go in different threads"),
    "double": Section("doubled", "probe", "the TensorRT path around the double of TensorRT"),
    "full": Section("failing", "full", "a GPU that is full"),
    "lost": Section("failing", "lost", "a GPU that is lost"),
    "hidden": Section("failing", "hidden", "a GPU that is hidden"),
    "decoding": Section("decoding", "probe", "NVDEC through PyAV"),
    "workers": Section("working", "probe", "how many workers pay on a file"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"one of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--one", choices=SECTIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.sections) - set(SECTIONS))
    if unknown:
        parser.error(f"no section {', '.join(unknown)}")
    sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
    if arguments.one:
        return run(SECTIONS[arguments.one])
    from streamseg.machine import nvidia_driver

    if not (driver := nvidia_driver()):
        print("gpu_probe: no NVIDIA driver is loaded here: `nvidia-smi` must list a GPU", file=sys.stderr)
        return NO_GPU
    print(f"\n## Probed on {datetime.date.today()}\n")
    for line in machine(driver):
        print(f"- {line}")
    print("\n| section | what was seen |\n|---|---|", flush=True)
    return int(not all([apart(name) for name in arguments.sections or SECTIONS]))


def run(section: Section) -> int:
    """In this process."""
    for line in getattr(importlib.import_module(f"gpu.{section.module}"), section.function)():
        print(line, flush=True)
    return 0


def apart(name: str) -> bool:
    """Whether the section came to its end, in a process of its own; its lines go into the table."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if name == "hidden" else {}
    variables = {**os.environ, "PYTHONFAULTHANDLER": "1", **hidden}
    started_s = time.monotonic()
    command = [sys.executable, __file__, "--one", name]
    with subprocess.Popen(
        command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        try:
            said, ended = process.communicate(timeout=LIMIT_S)[0], f"exit {process.returncode}"
        except subprocess.TimeoutExpired:
            process.kill()
            said, ended = process.communicate()[0], f"stopped after {LIMIT_S:.0f} s"
    lines = said.strip().splitlines()
    noise = [line for line in lines if NOISE.search(line)]
    lines = [line for line in lines if line not in noise]
    if process.returncode:  # a traceback: its last line says it
        lines = lines[-3:]
    ended += f", {time.monotonic() - started_s:.1f} s, {len(noise)} lines of pycuda's own"
    cell = "<br>".join(line.replace("|", "\\|") for line in [*lines, f"({ended})"])
    print(f"| `{name}`: {SECTIONS[name].shows} | {cell} |", flush=True)
    return process.returncode == 0


def machine(driver: str) -> Iterator[str]:
    """What it is, as far as anything says."""
    from streamseg.machine import machine_key, version_of

    key = machine_key()
    yield f"GPU {key.get('gpus') or 'not named'}; driver {key.get('driver') or driver}"
    if shutil.which("nvidia-smi"):
        for line in subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=False
        ).stdout.splitlines():
            yield line.partition(" (UUID")[0]
    devices = [path.name for path in sorted(Path("/dev").glob("nvidia*")) + sorted(Path("/dev").glob("dxg"))]
    majors = [line.split()[1] for line in Path("/proc/devices").read_text().splitlines() if "nvidia" in line]
    yield f"devices {', '.join(devices) or 'none'}; majors {', '.join(majors) or 'none'}"
    yield f"{key['processor']}, {key['cores']} cores, Python {platform.python_version()}"
    yield ", ".join(f"{name} {version_of(name)}" for name in PACKAGES if version_of(name)) or "nothing for a GPU"


if __name__ == "__main__":
    sys.exit(main())
