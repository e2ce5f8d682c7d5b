"""Small disks that a test can fill."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: float) -> Iterator[Path]:
    """A disk of its own at `folder`; skips the test where none can be mounted."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root, and a system that lets it")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, *, free_megabytes: float) -> Path:
    """A file that leaves about so much of the disk, on which another process may be writing."""
    path = disk / "ballast"
    with path.open("ab") as file:
        while True:
            state = os.statvfs(disk)
            try:
                os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - int(free_megabytes * 1e6))
                return path
            except OSError as error:
                assert error.errno == errno.ENOSPC
