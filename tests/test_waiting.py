"""A run whose camera is away at the start."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import clips
from tests.parts.program import PROGRAM, environment
from tests.parts.rtsp import camera_that_is_off, free_port


@contextlib.contextmanager
def begun(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A run with the model that needs least."""
    command = [*PROGRAM, "run", *words, "--model", "threshold"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as running:
        yield running
        running.kill()


def line_with(text: str, running: subprocess.Popen[str]) -> str:
    assert running.stderr is not None
    return next((line for line in running.stderr if text in line), "")


def test_it_begins_when_the_camera_comes(tmp_path: Path) -> None:
    with (
        camera_that_is_off(clips.annexb(tmp_path / "a.h264")) as camera,
        begun(camera.url_with("u:hunter2"), "-") as running,
    ):
        told = line_with("waiting for it", running)
        name = f"rtsp://***@127.0.0.1:{camera.port}/cam"
        assert told == f"streamseg: {name}: connection refused; waiting for it (--no-wait ends here instead)\n"
        camera.start()
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["stream"] == name
        running.terminate()
        _, said = running.communicate(timeout=60)
        assert running.returncode == 0
        assert "hunter2" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("source", ["rtsp://127.0.0.1:{port}/cam", "http://127.0.0.1:{port}/cam", "/dev/video77"])
def test_a_signal_ends_the_wait(source: str, number: signal.Signals) -> None:
    with begun(source.format(port=free_port()), "null") as running:
        assert line_with("waiting for it", running)
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
        assert running.returncode == 0
        assert "Traceback" not in said


@pytest.mark.parametrize("source", ["rtsp://127.0.0.1:{port}/cam", "/dev/video77"])
def test_without_waiting_it_ends(source: str) -> None:
    with begun(source.format(port=free_port()), "null", "--no-wait") as running:
        _, said = running.communicate(timeout=60)
        assert running.returncode == 3
        assert len(said.splitlines()) == 1
        assert "waiting" not in said
