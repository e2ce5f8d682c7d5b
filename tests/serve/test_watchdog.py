from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest

from streamseg.metrics import Meter
from streamseg.serve.service import _watch
from streamseg.serve.stream import StreamStatus


class Fake:
    """A stream that takes frames in at every look, and gives them out or not."""

    outcome = "not reloaded yet"

    name = "fake"

    def __init__(self, *, takes: bool, gives: bool) -> None:
        self._takes, self._gives, self._meter = takes, gives, Meter()
        self._meter.captured()
        self._meter.shown({})

    def now(self) -> list[Fake]:
        return [self]

    def read(self) -> StreamStatus:
        if self._takes:
            self._meter.captured()
            self._meter.captured()
            self._meter.dropped("newer")
        if self._gives:
            self._meter.shown({})
        return StreamStatus("running", self._gives, "", None, self._meter.read(), {}, 0)


@pytest.mark.parametrize(
    ("takes", "gives", "told"),
    [(True, True, True), (False, False, True), (True, False, False)],
    ids=["frames go through", "the camera is away", "frames go in and none comes out"],
)
def test_systemd_hears_of_life_unless_a_stream_is_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes: bool, gives: bool, told: bool
) -> None:
    streams: Any = Fake(takes=takes, gives=gives)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        heard: list[str] = []

        async def listen() -> None:
            watch = asyncio.create_task(_watch(streams))
            loop = asyncio.get_running_loop()
            with contextlib.suppress(asyncio.TimeoutError):
                while len(heard) < 4:
                    heard.append((await asyncio.wait_for(loop.sock_recv(manager, 4096), 1.0)).decode())
            watch.cancel()

        asyncio.run(listen())
    assert len(heard) == (4 if told else 1)  # the first look has nothing to compare with
