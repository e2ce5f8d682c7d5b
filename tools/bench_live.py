"""Whether a live stream stays live with a network that is too slow for it: rate and age, minute by minute.

    python tools/bench_live.py [--model membrane] [--minutes 10] [--size 1280x720] [--json]

The generated scene at 30 frames a second, overlay drawn; `membrane` takes four and more times a frame's time on two
cores. A picture's age is the time from its arrival to its overlay.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import asdict, dataclass

import streamseg
from streamseg.pipeline.scheduler import Target

FPS = 30
MINUTE_S = 60.0


@dataclass
class Minute:
    """What one minute of the stream looked like."""

    shown_fps: float
    network_fps: float
    age_p50_frames: float
    age_p95_frames: float
    age_max_frames: float
    carried_p50_ms: float
    dropped: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="membrane")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--target", default="fps")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    minutes, pace = watch(arguments.model, arguments.minutes, arguments.size, arguments.target)
    if arguments.json:
        print(json.dumps({"pace": pace, "minutes": [asdict(one) for one in minutes]}, indent=2))
        return
    print(f"{arguments.model}, {arguments.size} at {FPS} fps, load {os.getloadavg()[0]:.1f}; {pace}")
    print("minute  shown/s  network/s  age in frames: p50   p95   max   mask carried by  dropped")
    for number, one in enumerate(minutes, 1):
        print(
            f"{number:6}  {one.shown_fps:7.2f}  {one.network_fps:9.2f}  {one.age_p50_frames:18.2f}"
            f"  {one.age_p95_frames:4.2f}  {one.age_max_frames:4.2f}  {one.carried_p50_ms:12.0f} ms  {one.dropped:7}"
        )


def watch(model: str, minutes: float, size: str, target: Target) -> tuple[list[Minute], str]:
    """Runs the stream; the clock starts with the first picture."""
    pipeline = streamseg.open("test://", "null", model=model, size=size, fps=FPS, target=target)
    found: list[Minute] = []
    ages_ms: list[float] = []
    carried_ms: list[float] = []
    started_s = minute_s = 0.0
    before = pipeline.metrics()
    for shown in pipeline:
        now_s = time.monotonic()
        if not started_s:
            started_s = minute_s = now_s
            before = pipeline.metrics()
        ages_ms.append(shown.timings_ms["age"])
        carried_ms.append(shown.timings_ms["carried"])
        if now_s - minute_s >= min(MINUTE_S, minutes * MINUTE_S):
            metrics = pipeline.metrics()
            span_s = now_s - minute_s
            frame_ms = 1e3 / FPS
            found.append(
                Minute(
                    shown_fps=(metrics.shown - before.shown) / span_s,
                    network_fps=(metrics.inferred - before.inferred) / span_s,
                    age_p50_frames=statistics.median(ages_ms) / frame_ms,
                    age_p95_frames=statistics.quantiles(ages_ms, n=20)[-1] / frame_ms,
                    age_max_frames=max(ages_ms) / frame_ms,
                    carried_p50_ms=statistics.median(carried_ms),
                    dropped=sum(metrics.dropped.values()) - sum(before.dropped.values()),
                )
            )
            before, minute_s = metrics, now_s
            ages_ms.clear()
            carried_ms.clear()
        if now_s - started_s >= minutes * MINUTE_S:
            pipeline.stop()
    return found, pipeline.metrics().pace


if __name__ == "__main__":
    main()
