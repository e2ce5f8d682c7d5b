"""What only a GPU can show, in half an hour on any of NVIDIA's: a table in Markdown for docs/tensorrt.md.

    python tools/gpu_probe.py [SECTION ...] > gpu.md

A row is a figure: its date, what it is of, how it was measured, what it is held against, and whether it passed.

Runs from a checkout, in the environment that streamseg is installed in. Each section has a process of its own, so that
a GPU that one of them loses is there for the next. What cannot be measured is skipped, and its row says why. Exit code
0 where every section came to its end and passed, 1 where not, 3 without a GPU, where all rows say that they skipped.
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

sys.path.insert(0, str(Path(__file__).parent))
from gpu.row import HEAD, Row, skipped, unpacked

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


NO_GPU = 3
NOISE = re.compile(r"PyCUDA WARNING|^cu[A-Z]\w+ failed: ")  # of destructors
PACKAGES = ("pycuda", "tensorrt", "tensorrt-cu12", "onnxruntime-gpu", "av", "numpy")


class Section(NamedTuple):
    """Where it is, and how it is called."""

    module: str
    function: str
    shows: str
    limit_s: float = 180.0


SECTIONS = {
    "kernels": Section("kernels", "probe", "kernels against OpenCV and NumPy"),
    "times": Section("timing", "probe", "what they, copies and waiting cost"),
    "threads": Section("threads", "probe", "made, used and let go in different threads"),
    "double": Section("doubled", "probe", "the TensorRT path around the double of TensorRT"),
    "motion": Section("carrying", "probe", "masks carried by the GPU beside those of the CPU", 400.0),
    "memcheck": Section("memcheck", "probe", "the kernels under compute-sanitizer", 900.0),
    "full": Section("failing", "full", "a GPU that is full"),
    "lost": Section("failing", "lost", "a GPU that is lost"),
    "hidden": Section("failing", "hidden", "a GPU that is hidden"),
    "decoding": Section("decoding", "probe", "NVDEC and NVENC through PyAV"),
    "film": Section("film", "probe", "a film that stays on the GPU", 600.0),
    "workers": Section("working", "probe", "how many workers pay on a file"),
    "backends": Section("backends", "probe", "every backend against the CPU", 1200.0),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"one of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--one", choices=SECTIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.sections) - set(SECTIONS))
    if unknown:
        parser.error(f"no section {', '.join(unknown)}")
    if arguments.one:
        return run(SECTIONS[arguments.one])
    from streamseg.machine import nvidia_driver

    names = arguments.sections or list(SECTIONS)
    if not (driver := nvidia_driver()):
        why = "no NVIDIA driver is loaded here: `nvidia-smi` must list a GPU"
        print("\n".join([HEAD, *(skipped(SECTIONS[name].shows, why).in_table(name) for name in names)]))
        print(f"gpu_probe: {why}", file=sys.stderr)
        return NO_GPU
    print(f"\n## Probed on {datetime.date.today()}\n")
    for line in machine(driver):
        print(f"- {line}")
    print(f"\n{HEAD}", flush=True)
    return int(not all([apart(name) for name in names]))


def run(section: Section) -> int:
    """In this process; what lacks something is skipped."""
    from streamseg.errors import StreamsegError

    try:
        for row in getattr(importlib.import_module(f"gpu.{section.module}"), section.function)():
            print(row.packed(), flush=True)
    except (StreamsegError, ImportError) as error:
        print(skipped(section.shows, error).packed(), flush=True)
    return 0


def apart(name: str) -> bool:
    """Whether the section came to its end and passed, in a process of its own; its rows go into the table."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if name == "hidden" else {}
    variables = {**os.environ, "PYTHONFAULTHANDLER": "1", **hidden}
    section, started_s = SECTIONS[name], time.monotonic()
    command = [sys.executable, __file__, "--one", name]
    with subprocess.Popen(
        command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        try:
            said, ended = process.communicate(timeout=section.limit_s)[0], f"exit {process.returncode}"
        except subprocess.TimeoutExpired:
            process.kill()
            said, ended = process.communicate()[0], f"stopped after {section.limit_s:.0f} s"
    took = f"{ended}, {time.monotonic() - started_s:.1f} s"
    lines = [line for line in said.splitlines() if line.strip()]
    rows = [row for row in map(unpacked, lines) if row is not None]
    noise = [line for line in lines if NOISE.search(line)]
    others = [line for line in lines if line not in noise and unpacked(line) is None]
    if process.returncode:  # a traceback: its last lines say it
        took += f": {' '.join(others[-3:])}"
    end = Row(
        section.shows, "its process", f"{took}; {len(noise)} lines of pycuda's own", "exit 0", not process.returncode
    )
    for row in (*rows, end):
        print(row.in_table(name), flush=True)
    return all(row.passed is not False for row in (*rows, end))


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
