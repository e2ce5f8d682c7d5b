"""Every backend that uses a GPU against the CPU, on a GPU: rows of Markdown for docs/tensorrt.md.

    python tools/gpu_check.py [--model lane] [--frames 10000]

This is the section `backends` of `tools/gpu_probe.py`, for another model or another number of frames. Exit code 0 where
all that could be run was right and kept its memory, 1 where not, 3 without a GPU.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from gpu.backends import FRAMES, MODEL, backend_rows, kernels_row
from gpu.row import HEAD, skipped

from streamseg.cuda.driver import open_cuda
from streamseg.errors import BackendError, StreamsegError
from streamseg.infer import network_file
from streamseg.machine import machine_key, nvidia_driver

NO_GPU = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--frames", type=int, default=FRAMES)
    arguments = parser.parse_args()
    if not nvidia_driver():
        why = "no NVIDIA driver is loaded here: `nvidia-smi` must list a GPU"
        print(f"{HEAD}\n{skipped('every backend', why).in_table('backends')}")
        print(f"gpu_check: {why}", file=sys.stderr)
        return NO_GPU
    try:
        file = network_file(arguments.model)
    except StreamsegError as error:
        print(f"gpu_check: {error}", file=sys.stderr)
        return error.exit_code
    print(f"\nOn {gpu_name()}.\n\n{HEAD}", flush=True)
    passed = True
    for row in (kernels_row(), *backend_rows(file, arguments.frames)):
        print(row.in_table("backends"), flush=True)
        passed = passed and row.passed is not False
    return int(not passed)


def gpu_name() -> str:
    """The one that CUDA shows first, which need not be the first that `nvidia-smi` lists."""
    try:
        name = str(open_cuda().gpu)
    except BackendError:
        name = machine_key().get("gpus") or "a GPU"
    return f"{name}, {machine_key().get('driver') or 'driver not named'}"


if __name__ == "__main__":
    sys.exit(main())
