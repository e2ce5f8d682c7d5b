"""Servers that die, freeze and come back."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from streamseg.capture import open_source
from streamseg.options import SourceOptions
from tests.parts import clips
from tests.parts.film import Film, Told
from tests.parts.rtsp import Camera
from tests.soak import SLOW_MACHINE, Row


def server_back(times: int = 10, longest_s: float = 8.0) -> Row:
    """Killed, away for up to `longest_s`, back with another size or codec: how soon it is seen once it listens."""
    took_s, sizes = [], set()
    with tempfile.TemporaryDirectory() as folder:
        made = [
            clips.annexb(Path(folder) / "small.h264"),
            clips.annexb(Path(folder) / "large.h264", size=(640, 480)),
            clips.annexb(Path(folder) / "other.h265", codec="libx265"),
        ]
        with Camera(made[0]) as camera, Film(open_source(camera.url, SourceOptions())) as film:
            film.more(5)
            for number in range(times):
                camera.kill()
                time.sleep(longest_s * number / max(1, times - 1))
                camera.start(made[(number + 1) % len(made)])
                ready_s = time.monotonic()
                frame = film.first(lambda frame, after_s=ready_s: frame.arrived_s > after_s)  # type: ignore[misc]
                took_s.append(frame.arrived_s - ready_s)
                sizes.add(film.more(10).width)
            times_s = [frame.time_s for frame in film.frames]
    found = f"{times} kills, away 0 to {longest_s:g} s: first frame after {_span(took_s)}, widths {sorted(sizes)}"
    return Row(found, max(took_s) < 2 * SLOW_MACHINE and times_s == sorted(times_s))


def stall(times: int = 5, timeout_s: float = 5.0) -> Row:
    """A server that freezes: when that is told, and how soon after it thaws there are frames again."""
    noticed_s, back_s = [], []
    with tempfile.TemporaryDirectory() as folder:
        clip = clips.annexb(Path(folder) / "a.h264")
        options = SourceOptions(stall_timeout_s=timeout_s)
        with Camera(clip) as camera, Told() as told, Film(open_source(camera.url, options)) as film:
            for _ in range(times):
                film.more(20)
                frozen_s = time.monotonic()
                camera.stall()
                told_s = told.first("trying again", frozen_s)
                noticed_s.append(told_s - frozen_s)
                time.sleep(1.0)
                thaw_s = time.monotonic()
                camera.go_on()
                frame = film.first(lambda frame, after_s=thaw_s: frame.arrived_s > after_s)  # type: ignore[misc]
                back_s.append(frame.arrived_s - thaw_s)
    found = f"{times} stalls, limit {timeout_s:g} s: told {_span(noticed_s)} on, frames {_span(back_s)} after the thaw"
    return Row(found, max(noticed_s) <= timeout_s + 1 * SLOW_MACHINE and max(back_s) <= 2 * SLOW_MACHINE)


def _span(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f} s"
