"""What `streamseg plan` calculates of a server, beside what cameras get of one: real threads, a device that only waits.

    python tools/bench_plan.py [--seconds 10]

Each camera asks again up to 0.067 s after an answer, as at 15 frames a second. The device takes so many ms a call and a
picture; the groups are those that `infer/batching.py` makes, 16 at most. Ratios: seen over calculated.
"""

from __future__ import annotations

import argparse
import os
import random
import threading
import time

import numpy as np
from bench_streams import pretended

from streamseg.capacity.queueing import Server, shared
from streamseg.frame import Frame
from streamseg.infer.batching import DynamicBatcher

PICTURE = np.zeros((48, 64, 3), np.uint8)
PAUSE_S = 0.0333
ROWS = ((1, 20.0, 3.0), (4, 20.0, 3.0), (16, 20.0, 3.0), (40, 20.0, 3.0), (16, 5.0, 10.0))
"""Cameras, ms a call, ms a picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    print(f"load {os.getloadavg()[0]:.1f}")
    print("cameras  ms a call  a picture  answers/s  calculated  ratio  wait ms  calculated  ratio")
    for cameras, call_ms, picture_ms in ROWS:
        found = shared(Server(call_ms / 1e3, picture_ms / 1e3), cameras, PAUSE_S)
        answers, wait_s = seen(cameras, call_ms, picture_ms, seconds)
        rates = f"{answers:10.1f} {found.answers:11.1f} {answers / found.answers:6.2f}"
        waits = f"{wait_s * 1e3:8.1f} {found.wait_s * 1e3:11.1f} {wait_s / found.wait_s:6.2f}"
        print(f"{cameras:7} {call_ms:10g} {picture_ms:10g} {rates} {waits}")


def seen(cameras: int, call_ms: float, picture_ms: float, seconds: float) -> tuple[float, float]:
    """Answers a second of all cameras, and how long one waited on average."""
    network = DynamicBatcher(pretended(call_ms, picture_ms)())
    waits_s: list[float] = []
    begin_s, end_s = time.monotonic() + 1, time.monotonic() + 1 + seconds

    def camera(number: int) -> None:
        dice, member, frame = random.Random(number), network.join(1), Frame(PICTURE, 0, 0.0, 0.0)
        while True:
            time.sleep(dice.uniform(0, 2 * PAUSE_S))
            asked_s = time.monotonic()
            if asked_s > end_s:
                break
            member([frame])
            if asked_s > begin_s:
                waits_s.append(time.monotonic() - asked_s)
        member.close()

    threads = [threading.Thread(target=camera, args=(number,)) for number in range(cameras)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(waits_s) / seconds, sum(waits_s) / len(waits_s)


if __name__ == "__main__":
    main()
