"""What systemd wants to be told; nothing happens where it is not there."""

from __future__ import annotations

import contextlib
import os
import re
import socket


def notify(*lines: str) -> None:
    """Sends `READY=1`, `WATCHDOG=1`, `STOPPING=1` or `STATUS=...` to the service manager."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # a name without a file
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto("\n".join(lines).encode(), address)


def watchdog_s() -> float | None:
    """Seconds within which systemd wants to hear from this process; None where it does not watch."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 1e6 if mine and re.fullmatch("[0-9]{1,18}", microseconds) else None
