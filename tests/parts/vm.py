"""A computer inside the computer: Debian's kernel under qemu, whose `vivid` driver makes cameras."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / ".cache" / "kernel"
"""What `tools/parts.py` unpacks Debian's kernel into."""
LOOPBACK = KERNEL / "v4l2loopback.ko"
"""The driver of virtual cameras, which `tools/parts.py` builds."""
_PROGRAMS = ("qemu-system-x86_64", "busybox", "cpio", "insmod", "v4l2-ctl")
_MODULES = (
    *("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci"),
    *("9pnet", "9pnet_virtio", "netfs", "fscache", "9p"),
    *("rc-core", "cec", "mc", "videodev", "videobuf2-common", "videobuf2-v4l2", "videobuf2-memops"),
    *("videobuf2-vmalloc", "videobuf2-dma-contig", "v4l2-dv-timings", "v4l2-tpg", "vivid"),
)
_LAST = "vivid"  # the script in the machine loads it itself, as often as it plugs the camera in
# The machine's first program: loads the drivers, and runs the script inside the host's root, which it may only read.
_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /usr/bin /sbin /proc /sys /dev /host; /bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in $(cat /order); do insmod /mods/$m.ko || echo FAIL $m; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose host /host || echo FAIL 9p
mount -t proc p /host/proc; mount -t sysfs s /host/sys; mount -t devtmpfs d /host/dev; mount -t tmpfs t /host/run
echo BOOTED $(cut -d' ' -f1 /proc/uptime)
cd /host; chroot /host /bin/sh -c '@COMMAND@'
echo DONE $(cut -d' ' -f1 /proc/uptime)
poweroff -f
"""


def require_vm() -> None:
    """Skips the test where the machine cannot be built."""
    lacking = [name for name in _PROGRAMS if not shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")]
    if not list(KERNEL.glob("boot/vmlinuz-*")):
        lacking.append("Debian's kernel in .cache/kernel (tools/parts.py fetches it)")
    if lacking:
        pytest.skip(f"no machine with cameras of its own: {', '.join(lacking)} not found")


def run_inside(module: str, folder: Path, timeout_s: float, driver: Path | None = None) -> str:
    """What `python -m module DRIVER` says inside the machine, DRIVER being a driver's file: that of cameras."""
    driver = driver or _module(_LAST)
    command = f"cd {ROOT} && PYTHONDONTWRITEBYTECODE=1 {sys.executable} -m {module} {driver}"
    machine = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"]
    share = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    kernel = ["-kernel", str(next(KERNEL.glob("boot/vmlinuz-*"))), "-initrd", str(_initrd(folder, command))]
    console = ["-nographic", "-no-reboot", "-append", "console=ttyS0 quiet panic=-1", "-virtfs", share]
    done = subprocess.run(
        [*machine, *kernel, *console], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
    )
    return done.stdout.decode(errors="replace")


def _module(name: str) -> Path:
    return next(KERNEL.rglob(f"{name}.ko"))


def _initrd(folder: Path, command: str) -> Path:
    """A file system of two megabytes: busybox, the drivers, and the first program."""
    tree = folder / "initrd"
    for inner in ("bin", "mods"):
        (tree / inner).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    order = [name for name in _MODULES if name != _LAST]
    for name in order:
        shutil.copy(_module(name), tree / "mods" / f"{name}.ko")
    (tree / "order").write_text("\n".join(order))
    (tree / "init").write_text(_INIT.replace("@COMMAND@", command))
    (tree / "init").chmod(0o755)
    packed = folder / "initrd.cpio"
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with packed.open("wb") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), stdout=file, cwd=tree, check=True)
    return packed
