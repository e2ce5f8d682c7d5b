"""A real RTSP camera that a test can stop, kill and start again."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import pytest

from tests.parts.patience import PATIENCE_S

_Camera = TypeVar("_Camera", bound="Camera")
_SERVER = Path(__file__).with_name("rtsp_server.py")
_PYTHON = "/usr/bin/python3"
_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def require_server() -> None:
    """Skips the test where GStreamer's RTSP server is not installed."""
    if not Path(_PYTHON).exists() or subprocess.run([_PYTHON, "-c", _PROBE], capture_output=True).returncode:
        pytest.skip("GStreamer's RTSP server is not installed (Debian: gir1.2-gst-rtsp-server-1.0)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Camera:
    """`with Camera(clip) as camera:` serves the clip at `camera.url` until the end of the block."""

    def __init__(self, clip: Path, *options: str, user: str = "", password: str = "") -> None:
        require_server()
        self.port = free_port()
        self._clip, self._options = clip, options
        self._login = ("--user", user, "--password", password) if user else ()
        self._process: subprocess.Popen[str] | None = None
        self.started_s = 0.0
        """The monotonic moment from which a paced camera counts."""

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def url_with(self, login: str) -> str:
        return f"rtsp://{login}@127.0.0.1:{self.port}/cam"

    def start(self, clip: Path | None = None) -> None:
        self.started_s = float(self._launch(_SERVER, clip or self._clip)[1])

    def _launch(self, server: Path, file: Path) -> list[str]:
        command = [_PYTHON, str(server), str(self.port), str(file), *self._login, *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        ready = self._process.stdout.readline().split()
        assert ready and ready[0] == "ready", "the RTSP server did not start"
        return ready

    def stall(self) -> None:
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        self._send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(PATIENCE_S)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def __enter__(self: _Camera) -> _Camera:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


@contextmanager
def camera_that_is_off(clip: Path, *, user: str = "", password: str = "") -> Iterator[Camera]:
    """A camera to be started within the block, at whose end it is gone however the block ended."""
    camera = Camera(clip, user=user, password=password)
    try:
        yield camera
    finally:
        camera.kill()


class Recorder(Camera):
    """The other way round: takes what is published at `recorder.url`, into one file of raw H.264 after another."""

    def __init__(self, folder: Path, *options: str, user: str = "", password: str = "") -> None:
        super().__init__(folder, *options, user=user, password=password)
        self.files: list[Path] = []

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/live"

    def url_with(self, login: str) -> str:
        return f"rtsp://{login}@127.0.0.1:{self.port}/live"

    def start(self, clip: Path | None = None) -> None:
        self.files.append(self._clip / f"{len(self.files)}.h264")
        self._launch(_SERVER.with_name("rtsp_recorder.py"), self.files[-1])
