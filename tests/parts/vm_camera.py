"""Runs inside the machine of `vm.py`: films, sets the clock, pulls the camera out, plugs it in under another number."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from streamseg.capture import open_source
from streamseg.frame import Frame
from streamseg.options import Size, SourceOptions
from tests.parts.film import Film, Told

STABLE = Path("/dev/v4l/by-id/usb-vivid-video-index0")


def plug_in(driver: str, number: int) -> None:
    """The camera appears as /dev/videoNUMBER, and under its stable name, which here nobody else sets."""
    one = ["n_devs=1", "node_types=0x1", "num_inputs=1", "input_types=0x00", f"vid_cap_nr={number}"]
    subprocess.run(["/usr/sbin/insmod", driver, *one], check=True)
    STABLE.parent.mkdir(parents=True, exist_ok=True)
    STABLE.symlink_to(f"/dev/video{number}")


def pull_out(number: int) -> None:
    STABLE.unlink()
    subprocess.run(["v4l2-ctl", "-d", f"/dev/video{number}", "--set-ctrl", "disconnect=1"], check=True)


def unload() -> None:
    """Takes the driver away as soon as nobody holds the dead camera open any more."""
    while subprocess.run(["/usr/sbin/rmmod", "vivid"], capture_output=True).returncode:
        time.sleep(0.05)


def set_back_and_forth(film: Film) -> float:
    """Steps the machine's own clock an hour ahead, then two back; the longest time without a frame meanwhile, s."""
    begun = len(film.frames)
    for step_s in (3600, -7200):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + step_s)
        film.more(30)
    return float(np.diff([frame.arrived_s for frame in film.frames[begun:]]).max())


def main() -> None:
    with Told() as told:
        found = run(sys.argv[1], told)
    print("FOUND", json.dumps(found), flush=True)


def run(driver: str, told: Told) -> dict[str, object]:
    """The whole story, and what was measured on the way."""
    found: dict[str, object] = {}
    plug_in(driver, 0)
    source = open_source(str(STABLE), SourceOptions(size=Size((640, 360)), fps=30))
    with Film(source) as film:
        film.more(60)
        found |= looked_at(film.frames[:60])
        found["longest_gap_over_clock_steps_s"] = round(set_back_and_forth(film), 3)
        pulled_s = time.monotonic()
        pull_out(0)
        found["told_after_s"] = round(told.first("disconnected", pulled_s) - pulled_s, 3)
        unload()
        cpu_s, from_s, said = time.process_time(), time.monotonic(), len(told.lines)
        time.sleep(10)
        found["cpu_waiting"] = round((time.process_time() - cpu_s) / (time.monotonic() - from_s), 4)
        found["lines_in_10_s"] = len(told.lines) - said
        plugged_s = time.monotonic()
        plug_in(driver, 7)
        found["back_after_s"] = round(film.more(10).arrived_s - plugged_s, 3)
        frames = film.frames
    found["numbered_through"] = [frame.index for frame in frames] == list(range(len(frames)))
    found["times_rise"] = bool((np.diff([frame.time_s for frame in frames]) > 0).all())
    found["lines"] = [line for _, line in told.lines]
    return found


def looked_at(frames: list[Frame]) -> dict[str, object]:
    return {
        "size": [frames[0].width, frames[0].height],
        "fps": round((len(frames) - 1) / (frames[-1].arrived_s - frames[0].arrived_s), 1),
        "moves": bool((frames[0].image != frames[-1].image).any()),
    }


if __name__ == "__main__":
    main()
