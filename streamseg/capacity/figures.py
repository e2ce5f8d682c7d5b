"""What a frame and a mask cost on this machine, measured in a few seconds by the pipeline itself."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from streamseg.assembly import assemble
from streamseg.capacity.site import Figures
from streamseg.capture import open_source
from streamseg.config import RunOptions
from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.machine import available_cores
from streamseg.options import RenderOptions
from streamseg.segmentation import Classes, Segmentation

_SKIPPED = 60  # frames, until everything is loaded and the pools are full
_FRAMES = 260


class _Again:
    """Says of every frame what the network said of the first: what is left costs what it costs with such masks."""

    scale = 1.0

    def __init__(self, found: Segmentation) -> None:
        self._found = found
        self.classes: Classes = found.classes

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [replace(self._found, frame_index=frame.index, frame_time_s=frame.time_s) for frame in frames]

    def close(self) -> None:
        """There is nothing to give back."""


def measured(
    model: str,
    size: tuple[int, int],
    fps: float,
    seconds: float,
    *,
    encoded: bool = False,
    gpu: int | None = None,
) -> Figures:
    """Runs `model` on a generated scene, then the pipeline on an H.264 file of it.

    Args:
        model: a name or a file.
        size: (width, height) of a camera's picture, pixels.
        fps: frames a second of a camera; of these a mask every 0.4 s is carried to the others.
        seconds: how long the network is measured; the rest takes as long as 260 frames take.
        encoded: whether the frames with their masks are encoded again, as for a recording or a stream.
        gpu: the number of an NVIDIA GPU, by default the first.

    Raises:
        StreamsegError: the model cannot be had, or fails.
    """
    recipe = load_segmenter(model, gpu=gpu)
    scene = f"test://?frames={_FRAMES}&size={size[0]}x{size[1]}&fps={fps:g}"
    segment = recipe.make(available_cores())
    try:
        found, mask_s, wall_s = _network(segment, scene, seconds)
    finally:
        segment.close()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "scene.mp4")
        assemble(
            RunOptions(source=scene, outputs=(str(clip),), model="otsu", render=RenderOptions(view="source"))
        ).run()
        output = str(Path(folder, "seen.mp4")) if encoded else "null"
        frame_s = _pipeline(replace(recipe, make=lambda threads: _Again(found), tuned={}), str(clip), output)
    return Figures(available_cores(), frame_s, mask_s, wall_s, _seen(recipe.side, size))


def _seen(side: int | None, size: tuple[int, int]) -> int:
    """Pixels of a picture as the network gets it."""
    shrunk = min(1.0, side / max(size)) if side else 1.0
    return round(size[0] * shrunk) * round(size[1] * shrunk)


def _network(segment: Segmenter, scene: str, seconds: float) -> tuple[Segmentation, float, float]:
    source = open_source(scene)
    try:
        frame = next(iter(source))
    finally:
        source.close()
    (found,) = segment([frame])
    calls, wall_s, cpu_s = 0, time.perf_counter(), time.process_time()
    while calls < 3 or time.perf_counter() - wall_s < seconds:
        segment([frame])
        calls += 1
    return found, (time.process_time() - cpu_s) / calls, (time.perf_counter() - wall_s) / calls


def _pipeline(recipe: SegmenterFactory, clip: str, output: str) -> float:
    """Processor seconds of a frame, once it runs."""
    options = RunOptions(source=clip, outputs=(output,), model=recipe.name, target="fps", effort="quick")
    shown = iter(assemble(options, load=lambda *names, **more: recipe))
    for _ in range(_SKIPPED):
        next(shown)
    cpu_s, frames = time.process_time(), sum(1 for _ in shown)
    return (time.process_time() - cpu_s) / frames
