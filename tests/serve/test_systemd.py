from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg.serve.systemd import notify, watchdog_s
from tests.parts.service import Service

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="systemd is spoken to over local sockets")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a service manager that listens."""
    monkeypatch.chdir(tmp_path)  # the name of a local socket may have a hundred signs, a folder for tests has more
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("notify")
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "notify")
        yield listening


def test_the_manager_hears_every_line_in_one_message(manager: socket.socket) -> None:
    notify("READY=1", "STATUS=2 streams")
    assert manager.recv(100) == b"READY=1\nSTATUS=2 streams"
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_the_status_line_says_what_came_of_the_last_reload(manager: socket.socket, tmp_path: Path) -> None:
    site = "streams:\n  a: {source: 'test://?size=64x48&fps=20', model: otsu}\n"
    env = {"NOTIFY_SOCKET": "notify", "WATCHDOG_USEC": "600000"}

    def says(words: str) -> bool:
        try:
            return words in manager.recv(1000).decode()
        except BlockingIOError:
            return False

    with Service(tmp_path, site, env=env) as service:
        service.until(lambda: says("STATUS=1 of 1 streams show fresh frames; reloaded: 1 stream started"))
        service.reload("streams: 3\n")
        service.until(lambda: says("; not reloaded: "))
        service.reload(site)
        service.until(lambda: says("; reloaded: 1 stream unchanged"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has local sockets without a file")
def test_a_name_without_a_file_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"streamseg-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify("WATCHDOG=1")
        assert listening.recv(100) == b"WATCHDOG=1"


def test_without_a_manager_nothing_is_said(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_a_manager_that_is_gone_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", "nobody")
    notify("STOPPING=1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("microseconds", "seconds"),
    [
        ("30000000", 30.0),
        ("500000", 0.5),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 19, None),
    ],
)
def test_the_watchdogs_time_is_read_in_seconds(
    microseconds: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    assert watchdog_s() == seconds


def test_a_watchdog_of_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert watchdog_s() is None
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_s() == 1.0


def test_without_a_watchdog_there_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert watchdog_s() is None
