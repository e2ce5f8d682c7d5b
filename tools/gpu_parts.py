"""Makes what the tests of the GPU backends run against, as real as it can be without a GPU: once, in `.cache/gpu`.

    python tools/gpu_parts.py

pycuda, compiled; cuda-bindings and CUDA's compilers as they come; TensorRT's own bindings, beside libraries that hold
nothing; ONNX Runtime's CUDA provider with CUDA's runtime, beside libraries of mathematics that hold nothing. Nothing of
it is kept elsewhere, and none of it is needed to run streamseg. Where something cannot be had, one line says so, and
the tests that want it skip with that line.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"
PARTS = Path(__file__).parents[1] / ".cache" / "gpu" / PYTHON
PYCUDA = "pycuda==2026.1"
BINDINGS = ("cuda-bindings==13.4.4", "cuda-pathfinder==1.8.3")
CUDA = "nvidia-cuda-runtime==13.0.96"
COMPILERS = ("nvidia-cuda-nvrtc==13.0.88", "nvidia-cuda-nvcc==13.0.88")
TENSORRT = "tensorrt-cu13-bindings==11.4.0.106"
ORT = "onnxruntime-gpu==1.31.1"
CONFIGURATION = """
USE_SHIPPED_BOOST = True
BOOST_INC_DIR = BOOST_LIB_DIR = BOOST_PYTHON_LIBNAME = BOOST_THREAD_LIBNAME = []
CUDA_ROOT, CUDA_INC_DIR = {root!r}, [{root!r} + "/include"]
CUDA_TRACE = CUDA_ENABLE_GL = CUDA_ENABLE_CURAND = False
CUDADRV_LIB_DIR, CUDADRV_LIBNAME = [{root!r}], ["cuda"]
CUDART_LIB_DIR = CUDART_LIBNAME = CURAND_LIB_DIR = CURAND_LIBNAME = []
CXXFLAGS, LDFLAGS = ["-w", "-O0", "-g0"], ["-s"]
"""
PROFILER = """#include <cuda.h>
enum CUoutput_mode { CU_OUT_KEY_VALUE_PAIR, CU_OUT_CSV };
extern "C" CUresult cuProfilerInitialize(const char *, const char *, CUoutput_mode);
extern "C" CUresult cuProfilerStart(void);
extern "C" CUresult cuProfilerStop(void);
"""  # the header that CUDA keeps in a package of its own


class MissingError(Exception):
    """What cannot be had here."""


def main() -> int:
    for name, make in MAKERS.items():
        folder = PARTS / name
        if folder.is_dir():
            continue
        print(f"gpu parts: making {name} in {folder}", flush=True)
        try:
            make_whole(folder, make)
        except (MissingError, OSError) as reason:
            print(f"gpu parts: without {name}: {reason}: its tests will be skipped")
    return 0


def make_whole(folder: Path, make: Callable[[Path], None]) -> None:
    """`folder`, filled by `make`, or none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        made = Path(work, "made")
        made.mkdir()
        make(made)
        made.rename(folder)


def make_pycuda(made: Path) -> None:
    """Compiled against CUDA's headers and an empty driver, without optimisation: a minute of one core."""
    work = made.parent
    root = work / "nvidia" / "cu13"
    unpack(fetch(CUDA, work), work)
    root.joinpath("include", "cudaProfiler.h").write_text(PROFILER)
    link("libcuda.so.1", ["cuInit"], root / "libcuda.so")  # of a library that gives nothing the linker keeps no name
    with tarfile.open(fetch(PYCUDA, work, "--no-binary=pycuda")) as archive:
        archive.extractall(work, filter="data")
    (source,) = work.glob("pycuda-*/")
    source.joinpath("siteconf.py").write_text(CONFIGURATION.format(root=str(root)))
    pip("wheel", "--no-deps", "--wheel-dir", str(work / "built"), str(source))
    (wheel,) = work.glob("built/*.whl")
    pip("install", "--no-deps", "--no-compile", "--target", str(made), str(wheel))


def make_bindings(made: Path) -> None:
    """Wheels, with nothing to compile."""
    for package in BINDINGS:
        unpack(fetch(package, made.parent), made)


def make_compilers(made: Path) -> None:
    """NVRTC, the assembler, and CUDA's headers."""
    for package in (*COMPILERS, CUDA):
        unpack(fetch(package, made.parent), made)
    made.joinpath("nvidia", "cu13", "bin", "ptxas").chmod(0o755)  # which unpacking forgets


def make_tensorrt(made: Path) -> None:
    """The bindings, by the name that NVIDIA gives them, and libraries that hold nothing of what they want."""
    unpack(fetch(TENSORRT, made.parent), made)
    made.joinpath("tensorrt").mkdir()
    made.joinpath("tensorrt", "__init__.py").write_text(
        "from tensorrt_bindings import *\nfrom tensorrt_bindings import __version__\n"
    )
    (extension,) = made.glob("tensorrt_bindings/tensorrt*.so")
    stand_in(extension, r"libnv.*", made / "lib", [name for name, _ in wanted(extension) if not name.startswith("_")])


def make_ort(made: Path) -> None:
    """With CUDA's real runtime; what multiplies matrices is never reached without a GPU."""
    unpack(fetch(CUDA, made.parent), made)
    unpack(fetch(ORT, made.parent), made)
    (provider,) = made.glob("onnxruntime/capi/libonnxruntime_providers_cuda.so")
    stand_in(provider, r"lib(cublas|cublasLt|curand)\.so.*", made / "nvidia" / "cu13" / "lib", [])


def stand_in(binary: Path, libraries: str, folder: Path, symbols: list[str]) -> None:
    """Libraries of the names that `binary` wants, with the symbols that it wants of them, all of which answer 0."""
    folder.mkdir(parents=True, exist_ok=True)
    for library in needed(binary):
        if re.fullmatch(libraries, library):
            versioned = [name for name, version in wanted(binary) if version == library]
            link(library, versioned or symbols, folder / library, versioned=bool(versioned))


def needed(binary: Path) -> list[str]:
    return re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "--dynamic", str(binary)))


def wanted(binary: Path) -> Iterator[tuple[str, str]]:
    """Undefined symbols and the version that they must have."""
    for line in run("nm", "--dynamic", "--undefined-only", str(binary)).splitlines():
        name, _, version = line.split()[-1].partition("@")
        yield name, version.lstrip("@")


def link(soname: str, symbols: list[str], target: Path, *, versioned: bool = False) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, script = Path(folder, "empty.c"), Path(folder, "versions")
        source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in symbols) or "int none;\n")
        script.write_text(f"{soname} {{ *; }};\n")
        extra = [f"-Wl,--version-script={script}"] if versioned else []
        run("gcc", "-w", "-shared", "-fPIC", f"-Wl,-soname,{soname}", *extra, "-o", str(target), str(source))


def fetch(package: str, work: Path, *words: str) -> Path:
    folder = work / "fetched" / package
    pip("download", "--no-deps", *(words or ("--only-binary=:all:",)), "--dest", str(folder), package)
    return next(folder.iterdir())


def unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    wheel.unlink()


def pip(*words: str) -> None:
    run(sys.executable, "-m", "pip", "--quiet", *words)


def run(*command: str) -> str:
    if not shutil.which(command[0]):
        raise MissingError(f"no {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it did not say why"]
        first = next((line for line in lines if ": error:" in line), lines[-1])
        raise MissingError(f"{' '.join(command[:6])} ...: {first.strip()[:300]}")
    return done.stdout


MAKERS = {
    "pycuda": make_pycuda,
    "cuda-bindings": make_bindings,
    "compilers": make_compilers,
    "tensorrt": make_tensorrt,
    "onnxruntime-gpu": make_ort,
}

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(main())
