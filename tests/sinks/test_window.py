"""A real window on a virtual screen, looked at and typed into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.contracts import Controls
from streamseg.errors import OutputError
from streamseg.frame import Image
from streamseg.sinks.window import WindowSink, display_problem


def test_without_a_display_the_problem_is_said_and_nothing_aborts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert display_problem() == "no display (DISPLAY is not set)"
    with pytest.raises(OutputError, match="no window"):
        WindowSink(Controls())


@pytest.mark.parametrize("display", [":4711", "nonsense", "127.0.0.1:4711", ":x"])
def test_a_display_that_does_not_answer_is_said(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "does not answer" in str(display_problem())


@pytest.fixture
def screen() -> Iterator[dict[str, str]]:
    """The environment of a virtual screen."""
    for program in ("Xvfb", "xdotool", "import"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    end, start = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(start), "-screen", "0", "800x600x24"], pass_fds=[start], stderr=subprocess.DEVNULL
    )
    os.close(start)
    with os.fdopen(end) as told:
        number = told.readline().strip()
    yield {**os.environ, "DISPLAY": f":{number}"}
    server.terminate()
    server.wait()


def look(screen: dict[str, str], path: Path) -> Image:
    subprocess.run(["import", "-window", "root", str(path)], env=screen, check=True)
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def until(seen: object, *, within_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not seen():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, "never seen"
        time.sleep(0.2)


def test_a_window_shows_the_masks_and_obeys_its_keys(screen: dict[str, str], tmp_path: Path) -> None:
    gray = tmp_path / "in.png"
    image = np.full((240, 320, 3), 40, np.uint8)
    image[60:180, 80:240] = 200
    cv2.imwrite(str(gray), image)
    command = [sys.executable, "-c", "from streamseg.cli import program; program()", "run", "test://", "window"]
    running = subprocess.Popen(
        [*command, "--model", "otsu", "--opacity", "1", "--no-hud"],
        env=screen,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )

    def colours(picture: Image) -> int:
        return int((picture.max(2).astype(int) - picture.min(2) > 100).sum())

    def press(key: str) -> None:
        windows = subprocess.run(
            ["xdotool", "search", "--name", "streamseg"], env=screen, capture_output=True, text=True
        ).stdout.split()
        subprocess.run(["xdotool", "windowfocus", windows[-1]], env=screen, stderr=subprocess.DEVNULL)
        subprocess.run(["xdotool", "key", "--window", windows[-1], key], env=screen, check=True)

    try:
        until(lambda: colours(look(screen, tmp_path / "screen.png")) > 20_000)
        press("s")
        until(lambda: list(tmp_path.glob("streamseg-*.png")))
        press("q")
        _, said = running.communicate(timeout=20)
        assert running.returncode == 0, said
        assert "saved streamseg-" in said
        assert "Traceback" not in said
    finally:
        running.kill()
        running.communicate()


def test_without_a_display_a_run_goes_on_without_a_window(tmp_path: Path) -> None:
    bare = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-c", "from streamseg.cli import program; program()", "run", "test://?frames=5"]
    done = subprocess.run([*command, "--model", "otsu"], env=bare, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "no window: no display" in done.stderr
    assert "5 shown" in done.stderr
