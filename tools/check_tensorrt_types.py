"""Holds the TensorRT backend against the real names of TensorRT 11 and 10, by mypy; neither need be installed.

    python tools/check_tensorrt_types.py [FILE ...]

Stubs of 11 are made from the real bindings, which load once libraries of their names are there: empty ones, compiled
here. Stubs of 10 are a package. Both are fetched into `.cache/`, and nothing of them is kept elsewhere. A file that
is known to be wrong must be refused line by line, or the check itself is broken. Where something that this needs
cannot be had, one line says so, and nothing is checked.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "tensorrt-types"
CHECKED = ROOT / "streamseg" / "infer" / "backends" / "tensorrt"
BAD = ROOT / "tests" / "typing" / "bad_tensorrt.py"
BINDINGS_11 = "tensorrt-cu13-bindings==11.4.0.106"
STUBS_10 = "tensorrt-stubs==10.13.0.35.1"
MAKER = "pybind11-stubgen==3.0.0"
LIBRARIES = ("libnvinfer.so.11", "libnvinfer_plugin.so.11", "libnvonnxparser.so.11")
SYMBOLS = [
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
]  # all that the bindings ask of them
PACKAGE = ("__version__: str", "def nptype(trt_type: DataType) -> type: ...", "")  # what it adds to its extension


class MissingError(Exception):
    """What cannot be had here."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    files = parser.parse_args().files or [CHECKED]
    if sys.version_info < (3, 11):
        print("TensorRT types: skipped: mypy is run on Python 3.11 or newer")
        return 0
    failed = False
    for package, make in ((BINDINGS_11, make_11), (STUBS_10, make_10)):
        version = package.partition("==")[2]
        stubs = CACHE / version
        try:
            if not (stubs / "tensorrt" / "__init__.pyi").is_file():
                write_stubs(stubs, make())
        except MissingError as reason:
            print(f"TensorRT {version} types: skipped: {reason}")
            continue
        failed |= not check(version, stubs, files)
    return int(failed)


def check(version: str, stubs: Path, files: list[Path]) -> bool:
    """Whether `files` are right, and the bad file is wrong wherever it says so."""
    found = mypy(stubs, [*files, BAD])
    where = f"{BAD.relative_to(ROOT)}:"
    wrong = {int(line.split(":")[1]) for line in found if line.startswith(where) and ": error:" in line}
    marks = ("# wrong:", f"# wrong in {version.partition('.')[0]}:")
    wanted = {n for n, line in enumerate(BAD.read_text().splitlines(), 1) if any(mark in line for mark in marks)}
    errors = [line for line in found if ": error:" in line and not line.startswith(where)]
    for line in errors:
        print(f"TensorRT {version}: {line}")
    if wrong != wanted:
        print(f"TensorRT {version}: the check is broken: in {where} lines {sorted(wanted ^ wrong)} were judged wrongly")
    elif not errors:
        print(f"TensorRT {version} types: fine, and {len(wanted)} mistakes out of {len(wanted)} were seen")
    return not errors and wrong == wanted


def mypy(stubs: Path, files: list[Path]) -> list[str]:
    """What mypy says of `files`, line by line; a crash of its own is raised."""
    words = ["--strict", "--config-file=", "--follow-imports=silent", "--ignore-missing-imports", "--no-error-summary"]
    words += [f"--cache-dir={CACHE / 'mypy' / stubs.name}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words, *map(str, files)],
        cwd=ROOT, env={**os.environ, "MYPYPATH": str(stubs)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        sys.exit(f"mypy: {done.stdout}{done.stderr}")
    return done.stdout.splitlines()


def make_11() -> str:
    """The stub that the real bindings give of themselves."""
    if not shutil.which("gcc"):
        raise MissingError("no gcc")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for package in (BINDINGS_11, MAKER):
            unpack(fetch(package), work / "packages")
        source = work / "empty.c"
        source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in SYMBOLS))
        for library in LIBRARIES:
            run("gcc", "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", str(work / library), str(source))
        paths = {"LD_LIBRARY_PATH": folder, "PYTHONPATH": str(work / "packages")}
        run(sys.executable, "-m", "pybind11_stubgen", "-o", folder, "tensorrt_bindings.tensorrt", **paths)
        return (work / "tensorrt_bindings" / "tensorrt.pyi").read_text()


def make_10() -> str:
    """The stub out of the package of stubs."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(fetch(STUBS_10), Path(folder))
        return Path(folder, "tensorrt_bindings", "tensorrt.pyi").read_text()


def write_stubs(stubs: Path, text: str) -> None:
    """As a package `tensorrt` that mypy can read; whole or not at all."""
    part = stubs / "part"
    part.mkdir(parents=True, exist_ok=True)
    (part / "__init__.pyi").write_text("\n".join(["# mypy: ignore-errors", *mended(text), *PACKAGE]))
    part.rename(stubs / "tensorrt")


def mended(text: str) -> Iterator[str]:
    """Line by line: a parameter called `in`, ones without a default behind one with, a `bool` that is none, numbers."""
    for line in text.splitlines():
        if line.startswith("bool: "):  # a data type, under a name that every signature needs
            continue
        if line == "class Dims:":  # by its __getitem__ it can be walked through
            line += "\n    def __iter__(self) -> typing.Iterator[int]: ..."
        head, brace, rest = line.partition("(")
        if head.lstrip().startswith("def ") and brace:
            inside, close, tail = rest.rpartition(")")
            line = f"{head}({', '.join(parameters(inside))}){tail}" if close else line
        yield line.replace("typing.SupportsInt", "int").replace("typing.SupportsFloat", "float")


def parameters(inside: str) -> Iterator[str]:
    """Parameters as they may stand in Python; none is left without a default once one had it."""
    optional = False
    for each in re.split(r", (?![^\[(]*[\])])", inside):
        each = re.sub(r"^in:", "in_:", each)
        optional |= "=" in each
        yield f"{each} = ..." if optional and ":" in each and "=" not in each else each


def fetch(package: str) -> Path:
    """The package's wheel, from the cache or the package sources."""
    wheels = CACHE / "wheels" / package
    if not any(wheels.glob("*.whl")):
        run(
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "-d",
            str(wheels),
            package,
        )
    return next(wheels.glob("*.whl"))


def unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def run(*command: str, **variables: str) -> None:
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it did not say why"])[-1]
        raise MissingError(f"{' '.join(command[:4])} ...: {last}")


if __name__ == "__main__":
    sys.exit(main())
