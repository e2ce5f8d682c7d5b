"""Asked to end at any moment, whatever it is waiting for, a run ends within two seconds."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.parts import clips
from tests.parts.program import PROGRAM, environment
from tests.parts.rtsp import Camera, free_port
from tests.soak import SLOW_MACHINE, Row

CODES = (0, 3, -signal.SIGTERM)
"""Done on request, or ended before with the source's own error; negative: Python had not yet begun to listen."""


def sigterm(moments: int = 20, latest_s: float = 6.0, seed: int = 0) -> Row:
    """SIGTERM at `moments` random moments, of the first `latest_s`, of runs that wait for all sorts of things."""
    dice = random.Random(seed)
    took_s: dict[str, list[float]] = {}
    wrong = []
    with tempfile.TemporaryDirectory() as folder, _waits_for_everything(Path(folder)) as situations:
        for number in range(moments):
            name = list(situations)[number % len(situations)]
            after_s = dice.uniform(0.0, latest_s)
            seconds, code, said = _end(situations[name], after_s)
            took_s.setdefault(name, []).append(seconds)
            if code not in CODES or "Traceback" in said or "defect" in said:
                wrong.append(f"{name} after {after_s:.1f} s: code {code}, {said[-300:]}")
    longest = {name: max(each) for name, each in took_s.items()}
    found = ", ".join(f"{name} {seconds:.1f}" for name, seconds in longest.items())
    return Row(f"longest s by what it was doing: {found}{''.join(wrong)}", not wrong and _in_time(longest))


def _in_time(longest: dict[str, float]) -> bool:
    return max(longest.values()) < 2 * SLOW_MACHINE


def _end(words: list[str], after_s: float) -> tuple[float, int, str]:
    command = [*PROGRAM, "run", *words]
    silent, speaker = os.pipe()
    with subprocess.Popen(
        command, stdin=silent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as run:
        time.sleep(after_s)
        run.terminate()
        asked_s = time.monotonic()
        try:
            code = run.wait(60)
        finally:
            run.kill()
            os.close(silent)
            os.close(speaker)
        seconds = time.monotonic() - asked_s
        assert run.stderr is not None
        return seconds, code, run.stderr.read().decode()


@contextlib.contextmanager
def _waits_for_everything(folder: Path) -> Iterator[dict[str, list[str]]]:
    clip = clips.annexb(folder / "a.h264")
    film = clips.clip(folder / "film.mp4", frames=500)
    with Camera(clip) as good, Camera(clip) as stalled, socket.create_server(("127.0.0.1", 0)) as mute:
        stalled.stall()
        silent = f"127.0.0.1:{mute.getsockname()[1]}/cam"
        yield {
            "a camera": [good.url, str(folder / "camera.mp4"), "--overwrite", "--model", "otsu"],
            "a stalled camera": [stalled.url, "null", "--model", "otsu"],
            "a refusal": [f"rtsp://127.0.0.1:{free_port()}/cam", "null", "--model", "otsu"],
            "a silent RTSP server": [f"rtsp://{silent}", "null", "--model", "otsu"],
            "a silent HTTP server": [f"http://{silent}", "null", "--model", "otsu"],
            "an empty pipe": ["-", "null", "--model", "otsu"],
            "a reader of its JSON": ["test://?frames=1000000&size=64x48", "-", "--model", "otsu"],
            "a recording": ["test://", str(folder / "scene.mp4"), "--overwrite", "--model", "otsu"],
            "a network": [str(film), "null"],
            "a slow method": [str(film), "null", "--model", "kmeans-reference"],
        }
