"""Compiles streamseg's CUDA kernels into the file that ships: python tools/make_kernels.py.

`--check` says whether the file that ships was made of the source as it is. The compilers come from NVIDIA's packages,
which `python tools/gpu_parts.py` keeps in `.cache/gpu`.

What ships is PTX, which a driver compiles for its GPU when it is loaded, and keeps. Its version is set to 7.5, so that
every driver since CUDA 11.5 takes it: compiled kernels of CUDA 13 need a driver of 580 or newer, and a list of GPUs is
never complete. NVIDIA's assembler says whether that holds for each architecture from Turing on.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "streamseg" / "cuda"
SOURCES = {
    "kernels": ("common", "kernels"),
    "motion": ("common", "flows", "patches", "search", "looks", "vote"),
}  # as streamseg.cuda.kernels has it
SUMS = FOLDER / "kernels.sha256"
PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"
COMPILERS = ROOT / ".cache" / "gpu" / PYTHON / "compilers" / "nvidia" / "cu13"
OLDEST, VERSION = 75, "7.5"
ARCHITECTURES = (75, 80, 86, 87, 89, 90, 100, 103, 110, 120, 121)
"""Turing to Blackwell, with Orin (87) and Thor (110)."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="whether what ships was made of the source as it is")
    if not parser.parse_args(arguments).check:
        if not COMPILERS.is_dir():
            print(f"{COMPILERS}: not there: python tools/gpu_parts.py makes it", file=sys.stderr)
            return 1
        for module in SOURCES:
            ptx(module).write_text(compiled(module, COMPILERS))
            print(f"{ptx(module)}: {ptx(module).stat().st_size / 1e3:.0f} kB")
            for architecture in ARCHITECTURES:
                print(f"sm_{architecture}: {', '.join(assembled(ptx(module), architecture, COMPILERS))}")
        SUMS.write_text(sums())
    if SUMS.read_text() != sums():
        print(
            "the kernels that ship were not made of their source as it is: python tools/make_kernels.py",
            file=sys.stderr,
        )
        return 1
    return 0


def sums() -> str:
    """As `sha256sum` prints them."""
    sources = dict.fromkeys(name for names in SOURCES.values() for name in names)
    files = [*(FOLDER / f"{name}.cu" for name in sources), *map(ptx, SOURCES)]
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def ptx(module: str) -> Path:
    return FOLDER / f"{module}.ptx"


def compiled(module: str, compilers: Path) -> str:
    """The PTX of a module's source, by NVRTC: the same text each time."""
    files = [FOLDER / f"{name}.cu" for name in SOURCES[module]]
    source = "".join(f'#line 1 "{file.name}"\n{file.read_text()}' for file in files)
    ctypes.CDLL(str(next(compilers.glob("lib/libnvrtc-builtins.so.*"))))  # which NVRTC looks for by its name alone
    library = ctypes.CDLL(str(next(compilers.glob("lib/libnvrtc.so.*"))))
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), module.encode(), 0, None, None)
    options = [f"--gpu-architecture=compute_{OLDEST}", "--std=c++17", f"-I{compilers / 'include'}"]
    words = (ctypes.c_char_p * len(options))(*map(str.encode, options))

    def text(what: str) -> str:
        getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        room = ctypes.create_string_buffer(size.value)
        getattr(library, f"nvrtcGet{what}")(program, room)
        return room.value.decode()

    if library.nvrtcCompileProgram(program, len(options), words):
        raise SystemExit(text("ProgramLog"))
    # A hint on how much of what is loaded is used, which that version of PTX does not know yet.
    plain = re.sub(r"^\s*\.pragma \"used_bytes_mask \d+\";\n", "", text("PTX"), flags=re.MULTILINE)
    return re.sub(r"^\.version .*$", f".version {VERSION}", plain, count=1, flags=re.MULTILINE)


def assembled(ptx: Path, architecture: int, compilers: Path) -> list[str]:
    """What NVIDIA's assembler says of each kernel's stack; ends where it does not take it."""
    command = [str(compilers / "bin" / "ptxas"), f"-arch=sm_{architecture}", "-v", "-o", "/dev/null", str(ptx)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return re.findall(r"\d+ bytes stack frame", done.stdout + done.stderr)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
