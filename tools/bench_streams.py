"""Many cameras on one network: what they get out of it together, beside the network alone and sessions of their own.

    python tools/bench_streams.py [--model person] [--streams 4] [--seconds 5] [--rounds 5] [--json]

Three loops take turns; the first round warms up and does not count. Each camera is a generated live scene; together
they give half as many frames again as the network takes, so the network is what is measured. On a machine that is busy
with other things compare CPU time: frames a second then measure who has the most threads. `--pretend 20 10` takes the
CPU out of it: instead of a model a device that is busy for 20 ms a call and 10 ms a frame.

network   the network alone on pictures of all streams, over and over, in the groups that are quickest: the bound
shared    all streams through one network
apart     all streams, each with a session of its own
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from streamseg.assembly import assemble
from streamseg.capture import open_source
from streamseg.config import RunOptions
from streamseg.contracts import Controls, SegmenterFactory
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.batching import share_networks
from streamseg.machine import available_cores
from streamseg.segmentation import Classes, Segmentation

_WARM = 10  # frames of each stream that come before the measurement
Loop = Callable[[float], tuple[int, float]]
"""Takes seconds to run for; gives frames, and the CPU seconds that they took."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="person")
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--fps", type=float, help="of each camera; default: 1.5 times what the network takes")
    parser.add_argument("--size", default="320x240", help="of each camera's picture")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pretend", nargs=2, type=float, metavar="MS", help="a device instead of a model")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    own = pretended(*asked.pretend) if asked.pretend else load_segmenter
    load = share_networks(own)
    alone = network_alone(asked, own)
    asked.fps = asked.fps or max(1.0, 1.5 * alone(2.0)[0] / 2.0 / asked.streams)
    loops: dict[str, Loop] = {
        "network": alone,
        "shared": lambda seconds: cameras(asked, load, seconds),
        "apart": lambda seconds: cameras(asked, own, seconds),
    }
    report(take_turns(loops, asked.rounds, asked.seconds), asked)


class Device:
    """Busy for a while, a call at a time, and finds nothing."""

    classes = Classes(("nothing",), np.zeros((1, 3), np.uint8))
    one = threading.Lock()

    scale = 1.0

    def __init__(self, call_ms: float, frame_ms: float) -> None:
        self._call_s, self._frame_s = call_ms / 1e3, frame_ms / 1e3

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        with self.one:
            time.sleep(self._call_s + self._frame_s * len(frames))
        return [Segmentation(np.zeros((8, 8), np.uint8), self.classes, frame.index, frame.time_s) for frame in frames]

    def close(self) -> None:
        pass


def pretended(call_ms: float, frame_ms: float) -> Callable[..., SegmenterFactory]:
    recipe = SegmenterFactory(
        "device", Device.classes, lambda threads: Device(call_ms, frame_ms), parallel=True, most=16
    )
    return lambda *names, **more: recipe


def network_alone(asked: argparse.Namespace, load: Callable[..., SegmenterFactory]) -> Loop:
    """Pictures of all streams, in groups of one and of all in turn until the quicker is known."""
    segment = load(asked.model).make(available_cores())
    uris = [f"test://?seed={seed}&size={asked.size}&frames=1" for seed in range(asked.streams)]
    frames = [next(iter(open_source(uri))) for uri in uris]
    groups = {1: [[frame] for frame in frames], len(frames): [frames]}

    def seconds_for(size: int) -> float:
        started_s = time.perf_counter()
        for group in groups[size]:
            segment(group)
        return time.perf_counter() - started_s

    best = min(groups, key=lambda size: min(seconds_for(size) for _ in range(10)))

    def run(seconds: float) -> tuple[int, float]:
        cpu_s, end_s, done = time.process_time(), time.monotonic() + seconds, 0
        while time.monotonic() < end_s:
            for group in groups[best]:
                done += len(segment(group))
        return done, time.process_time() - cpu_s

    return run


def cameras(asked: argparse.Namespace, load: Callable[..., SegmenterFactory], seconds: float) -> tuple[int, float]:
    """Frames that the network looked at in `seconds` for all streams, counted once it is known whether groups gain."""
    controls = [Controls() for _ in range(asked.streams)]
    uris = [f"test://?seed={seed}&size={asked.size}&fps={asked.fps}" for seed in range(asked.streams)]
    options = [
        RunOptions(source=uri, outputs=("null",), model=asked.model, target="quality", steady=False) for uri in uris
    ]
    pipelines = [assemble(*pair, load=load) for pair in zip(options, controls, strict=True)]
    threads = [threading.Thread(target=pipeline.run) for pipeline in pipelines]
    for thread in threads:
        thread.start()
    while min(pipeline.metrics().inferred for pipeline in pipelines) < _WARM:
        time.sleep(0.01)
    before, cpu_s = sum(pipeline.metrics().inferred for pipeline in pipelines), time.process_time()
    time.sleep(seconds)
    done, cpu_s = sum(pipeline.metrics().inferred for pipeline in pipelines) - before, time.process_time() - cpu_s
    for control in controls:
        control.quit = True
    for thread in threads:
        thread.join()
    return done, cpu_s


def take_turns(loops: dict[str, Loop], rounds: int, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """Frames a second and CPU milliseconds a frame of every loop in every round but the first."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for turn in range(rounds + 1):
        for name, loop in loops.items():
            frames, cpu_s = loop(seconds)
            if turn:
                rows[name].append((frames / seconds, cpu_s * 1e3 / max(1, frames)))
    return rows


def report(rows: dict[str, list[tuple[float, float]]], asked: argparse.Namespace) -> None:
    found = {
        "model": "{:g} ms a call and {:g} ms a frame".format(*asked.pretend) if asked.pretend else asked.model,
        "streams": asked.streams,
        "fps_of_each_camera": round(asked.fps, 1),
        "load_average": round(os.getloadavg()[0], 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "fps": {name: round(statistics.median(rate for rate, _ in turns), 1) for name, turns in rows.items()},
        "cpu_ms_per_frame": {
            name: round(statistics.median(cpu for _, cpu in turns), 2) for name, turns in rows.items()
        },
        "shared_over_network": ratios(rows, "shared", "network"),
        "shared_over_apart": ratios(rows, "shared", "apart"),
        "network_over_shared_cpu": ratios(rows, "network", "shared", column=1),
    }
    if asked.json:
        print(json.dumps(found, indent=2))
        return
    for key, value in found.items():
        print(f"{key.replace('_', ' ')}: {value}")


def ratios(rows: dict[str, list[tuple[float, float]]], ours: str, other: str, column: int = 0) -> list[float]:
    """Round by round, from lowest to highest."""
    return sorted(round(a[column] / b[column], 2) for a, b in zip(rows[ours], rows[other], strict=True))


if __name__ == "__main__":
    main()
