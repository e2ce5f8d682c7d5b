"""Compiles streamseg's CUDA kernels for the GPUs there are, into the file that ships: python tools/make_kernels.py.

`--check` says whether the file that ships was made of the source as it is. Needs nvcc 12.8 or newer.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "streamseg" / "infer" / "backends" / "tensorrt"
SOURCE, FATBIN, SUMS = (FOLDER / name for name in ("kernels.cu", "kernels.fatbin", "kernels.sha256"))
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)  # Turing to Blackwell; later GPUs compile the oldest one's PTX


def main(arguments: list[str]) -> int:
    if "--check" not in arguments:
        compile_kernels(FATBIN)
        SUMS.write_text(sums())
        print(f"{FATBIN}: {FATBIN.stat().st_size / 1e3:.0f} kB")
    if SUMS.read_text() != sums():
        print(f"{FATBIN}: was not made of {SOURCE.name} as it is: python tools/make_kernels.py", file=sys.stderr)
        return 1
    return 0


def sums() -> str:
    """As `sha256sum` prints them."""
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in (SOURCE, FATBIN))


def compile_kernels(target: Path) -> None:
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    codes = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in ARCHITECTURES]
    newest = f"-gencode=arch=compute_{ARCHITECTURES[0]},code=compute_{ARCHITECTURES[0]}"
    command = [nvcc, "-fatbin", "-O3", "-std=c++17", "--compress-mode=size", *codes, newest, "-o", str(target)]
    subprocess.run([*command, SOURCE.name], cwd=SOURCE.parent, check=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
