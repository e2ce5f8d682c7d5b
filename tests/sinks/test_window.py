"""A real window on a virtual screen, looked at and typed into."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamseg.contracts import Controls
from streamseg.errors import OutputError
from streamseg.frame import Image
from streamseg.sinks.window import WindowSink, display_problem, save
from tests.parts.fakes import FILE
from tests.parts.patience import output_of, until
from tests.parts.program import PROGRAM, environment, run_program
from tests.parts.rtsp import free_port
from tests.sinks.test_files import shown


def test_without_a_display_the_problem_is_said_and_nothing_aborts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert display_problem() == "no display (DISPLAY is not set)"
    with pytest.raises(OutputError, match="no window"):
        WindowSink(FILE, Controls())


@pytest.mark.parametrize("display", [":4711", "nonsense", "127.0.0.1:4711", ":x"])
def test_a_display_that_does_not_answer_is_said(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "does not answer" in str(display_problem())


def test_a_picture_that_is_saved_never_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        save(shown(7))
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 3
    assert all(re.fullmatch(r"streamseg-\d{8}-\d{6}-7(-\d)?\.png", name) for name in names)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a virtual screen, whose memory lies in `Xvfb_screen0`."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    end, start = os.pipe()
    number = f":{free_port()}"  # servers that look for one themselves meet where one ends as the other starts
    words = [number, "-displayfd", str(start), "-screen", "0", "800x600x24", "-fbdir", str(tmp_path)]
    server = subprocess.Popen(["Xvfb", *words], pass_fds=[start], stderr=subprocess.DEVNULL)
    os.close(start)
    with os.fdopen(end) as told:
        assert told.readline().strip() == number[1:]
    yield environment(DISPLAY=number)
    server.terminate()
    server.wait()


def look(folder: Path) -> Image:
    """What the screen shows, (600, 800, 3) u8 BGR: an X window dump, whose first number is the size of its header."""
    dump = (folder / "Xvfb_screen0").read_bytes()
    header, colours = int.from_bytes(dump[:4], "big"), int.from_bytes(dump[76:80], "big")
    return np.frombuffer(dump, np.uint8, 600 * 800 * 4, header + 12 * colours).reshape(600, 800, 4)[..., :3]


def colours(image: Image) -> int:
    """How many pixels have a colour."""
    return int((image.max(2).astype(int) - image.min(2) > 100).sum())


def shows_masks(running: subprocess.Popen[str], folder: Path) -> bool:
    """Whether the masks come to the screen before `running` ends or has had twenty seconds."""
    end_s = time.monotonic() + 20
    while running.poll() is None and time.monotonic() < end_s:
        if colours(look(folder)) > 20_000:
            return True
        time.sleep(0.1)
    running.kill()
    running.communicate()
    return False


def test_a_window_shows_the_masks_and_obeys_its_keys(screen: dict[str, str], tmp_path: Path) -> None:
    command = [*PROGRAM, "run", "test://", "window", "--model", "otsu", "--opacity", "1", "--no-hud"]

    def press(key: str) -> None:
        found = subprocess.run(["xdotool", "search", "--name", "streamseg"], env=screen, capture_output=True, text=True)
        window = found.stdout.split()[-1]
        subprocess.run(["xdotool", "windowfocus", window], env=screen, stderr=subprocess.DEVNULL)
        subprocess.run(["xdotool", "key", "--window", window, key], env=screen, check=True)

    for _ in range(5):  # beside others one start in ten shows nothing; a bare loop of imshow does so too
        running = subprocess.Popen(command, env=screen, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        if shows_masks(running, tmp_path):
            break
    try:
        assert running.poll() is None, "no window in any of five starts"
        press("s")
        until(lambda: list(tmp_path.glob("streamseg-*.png")), "a picture saved", running)
        press("q")
        _, said = output_of(running)
        assert running.returncode == 0, said
        assert "saved streamseg-" in said
        assert "Traceback" not in said
    finally:
        running.kill()
        running.communicate()


def test_a_click_in_the_window_makes_a_mask(screen: dict[str, str], tmp_path: Path) -> None:
    command = [*PROGRAM, "run", "test://", "window", "--model", "follow", "--view", "mask", "--no-hud", "--no-boxes"]

    def window() -> str:
        found = subprocess.run(["xdotool", "search", "--name", "streamseg"], env=screen, capture_output=True, text=True)
        return found.stdout.split()[-1] if found.stdout else ""

    def masked() -> bool:
        subprocess.run(
            ["xdotool", "mousemove", "--window", window(), "200", "200", "click", "1"],
            env=screen, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(0.3)
        return colours(look(tmp_path)) > 100

    for _ in range(5):  # as above: one start in ten shows nothing
        with subprocess.Popen(command, env=screen, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
            end_s = time.monotonic() + 20
            while running.poll() is None and time.monotonic() < end_s:
                if window() and masked():
                    running.kill()
                    return
                time.sleep(0.1)
            running.kill()
            _, said = running.communicate()
    pytest.fail(f"no mask where the mouse clicked in any of five starts: {said}")


def test_without_a_display_a_run_goes_on_without_a_window(tmp_path: Path) -> None:
    done = run_program("run", "test://?frames=5", "--model", "otsu")
    assert done.returncode == 0, done.stderr
    assert "no window: no display" in done.stderr
    assert "5 shown" in done.stderr
