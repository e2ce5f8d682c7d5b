"""Installs the real parts that the tests run against: an RTSP server, a virtual screen, a keyboard for it.

Nothing of it is needed to run streamseg. Where apt is not to be had, this says so in one line, and the tests that want
a part skip with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = ("Xvfb", "xdotool", "import", "ffmpeg")
RTSP_SERVER = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
PACKAGES = [
    "ffmpeg",
    "gir1.2-gst-rtsp-server-1.0",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-ugly",
    "gstreamer1.0-rtsp",
    "imagemagick",
    "libgl1",
    "libglib2.0-0",
    "python3-gi",
    "xdotool",
    "xvfb",
]


ORIGINALS = "mediapipe==0.10.21"
CACHE = Path(__file__).parents[1] / ".cache"


def main() -> int:
    fetch_originals()
    if not missing():
        return 0
    if not shutil.which("apt-get") or os.geteuid() != 0:
        print(f"parts: {', '.join(missing())} not found, and no apt-get as root: their tests will be skipped")
        return 0
    print(f"parts: installing {', '.join(missing())} for the tests")
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "--no-install-recommends", *PACKAGES]):
        subprocess.run(command, check=False, **quiet)  # type: ignore[call-overload]
    if missing():
        print(f"parts: still without {', '.join(missing())}: their tests will be skipped")
    return 0


def fetch_originals() -> None:
    """The package that holds the networks that `person` was made from, to compare with; its code is not installed."""
    if any(CACHE.glob("mediapipe-*.whl")):
        return
    print(f"parts: fetching {ORIGINALS} for its two networks")
    wanted = ["--no-deps", "--only-binary=:all:", "--python-version", "3.11"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *wanted, "--dest", str(CACHE), ORIGINALS]
    if subprocess.run(command, check=False).returncode:
        print("parts: not to be had: the comparison with the original networks will be skipped")


def missing() -> list[str]:
    """What is not there, by name."""
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    python = "/usr/bin/python3"
    if not Path(python).exists() or subprocess.run([python, "-c", RTSP_SERVER], capture_output=True).returncode:
        lacking.append("GStreamer's RTSP server")
    return lacking


if __name__ == "__main__":
    sys.exit(main())
