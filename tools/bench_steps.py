"""What the pipeline itself costs for a 720p frame, step by step: CPU milliseconds, the network left out.

    python tools/bench_steps.py [--model person] [--clip FILE] [--rounds 7] [--json]

Every step runs over the same frames in one thread and takes turns with the others; the lowest round counts, because
everything else on the machine can only add to it. `planes` is how a video in 4:2:0 goes, `picture` how a camera's or
any other picture goes. `pipeline` is a whole run without output, over the clip five times: all its CPU time less that
of the network's calls, once it runs. It includes the threads of the decoder and every hand-off.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

import streamseg
from streamseg.bench.clip import long_clip
from streamseg.capture import open_source
from streamseg.capture.filters import graph_of
from streamseg.capture.hdr import HLG, tone_mapping
from streamseg.capture.orientation import Chain, upright
from streamseg.contracts import Controls, Shown
from streamseg.frame import Frame
from streamseg.hostsettings import opencv_one_thread
from streamseg.infer import network_file
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.families import FAMILIES, Limits
from streamseg.infer.instances import paint, place
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.model.geometry import input_size, make_fit
from streamseg.infer.network import Network
from streamseg.infer.preprocess import Preprocessor
from streamseg.metrics import Meter
from streamseg.options import RenderOptions
from streamseg.render import make_renderer
from streamseg.rules.evaluate import Rules
from streamseg.rules.grammar import Rule
from streamseg.rules.shapes import Line, Polygon
from streamseg.segmentation import Instances, Segmentation
from streamseg.sinks.video import VideoSink
from streamseg.yuv import to_bgr

FRAMES = 60
WARM_UP = 20  # frames of a run that do not count: while they pass, each worker loads its network
ZONES = {
    "left": Polygon("0,0 0.5,0 0.5,1 0,1"),
    "middle": Polygon("0.4,0.2 0.9,0.3 0.8,0.9 0.3,0.8"),
    "floor": Polygon("0.1,0.6 0.9,0.6 0.9,1 0.1,1"),
    "corner": Polygon("0.6,0 1,0 1,0.5"),
}
LINES = {"upright": Line("0.5,0 0.5,1"), "level": Line("0,0.6 1,0.6")}
TEN_RULES = (
    "THING.area in left > 1 %",
    "THING.area in middle > 1 % for 1 s until < 0.5 %",
    "THING.count in floor >= 1",
    "THING.count in corner >= 2",
    "THING.dwell in left > 2 s",
    "THING.dwell in middle > 2 s",
    "THING.crosses upright eastwards",
    "THING.crosses level",
    "THING.speed in floor > 50 px/s",
    "THING.area > 5 % and not THING.count in corner >= 1",
)
Step = Callable[[], float]
"""CPU milliseconds a frame of one round."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="person", help="a network that ONNX Runtime runs")
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = long_clip(arguments.clip, Path(folder))
        steps = all_steps(clip, arguments.model, Path(folder))
        rounds = [{name: step() for name, step in steps.items()} for _ in range(arguments.rounds)]
    least = {name: round(min(turn[name] for turn in rounds), 3) for name in steps}
    found = {"clip": clip.name, "model": arguments.model, "load_average": round(os.getloadavg()[0], 1), "cpu_ms": least}
    print(json.dumps(found, indent=2) if arguments.json else table(found, least))


def all_steps(clip: Path, model: str, folder: Path) -> dict[str, Step]:
    frames = list(itertools.islice(open_source(str(clip)), FRAMES))
    pictures = [Frame(frame.image, frame.index, frame.time_s, 0.0) for frame in frames]
    file = network_file(model)
    segment = Network(load_spec(file), OrtBackend(file, 1))
    spec = load_spec(file).input
    prepare, size = Preprocessor(spec), input_size(spec, (frames[0].height, frames[0].width))
    found = segment(frames)
    render, metrics = make_renderer(RenderOptions(), Controls()), Meter().read()
    drawn = [[render(*pair, metrics) for pair in zip(each, found, strict=True)] for each in (frames, pictures)]
    shown = [
        [
            Shown(frame, segmentation, pixels, 0, {})
            for frame, segmentation, pixels in zip(frames, found, each, strict=True)
        ]
        for each in drawn
    ]
    decoded = [frame.planes.wrapped() for frame in frames if frame.planes is not None]
    return {
        "decode": lambda: decode(clip),
        "capture": lambda: capture(clip),
        "a quarter turn": filtered(decoded, upright((0, 1, 0, -1, 0, 0, 0, 0, 1))),
        "deinterlacing": filtered(decoded, (("bwdif", "mode=send_frame:deint=all"),)),
        "high dynamic range": filtered(decoded, tone_mapping(HLG)),
        "convert to a picture": timed(lambda i: to_bgr(decoded[i]), len(decoded)),
        "network input, planes": timed(lambda i: prepare([frames[i].pixels], size, 1), len(frames)),
        "network input, picture": timed(lambda i: prepare([pictures[i].pixels], size, 1), len(frames)),
        "ten rules": ten_rules(frames, found),
        **yolo_objects(),
        "overlay, planes": timed(lambda i: render(frames[i], found[i], metrics), len(frames)),
        "overlay, picture": timed(lambda i: render(pictures[i], found[i], metrics), len(frames)),
        "encode, planes": lambda: encode(shown[0], folder),
        "encode, picture": lambda: encode(shown[1], folder),
        "pipeline": pipeline(clip, model, steady=False),
        "pipeline, masks steadied": pipeline(clip, model, steady=True),
    }


def timed(step: Callable[[int], object], times: int) -> Step:
    def run() -> float:
        started_s = time.process_time()
        for index in range(times):
            step(index)
        return (time.process_time() - started_s) * 1e3 / max(1, times)

    return run


def ten_rules(frames: list[Frame], found: list[Segmentation]) -> Step:
    """What zones, lines and rules cost on the masks of the network, whatever the size of the frames."""
    classes = found[0].classes
    name = next(each for number, each in enumerate(classes.names) if number != classes.background)
    rules = {f"rule-{number}": Rule(text.replace("THING", name)) for number, text in enumerate(TEN_RULES)}

    def run() -> float:
        evaluate = Rules(zones=ZONES, lines=LINES, rules=rules)
        return timed(lambda i: evaluate(frames[i], found[i]), len(frames))()

    return run


def yolo_objects() -> dict[str, Step]:
    """What YOLO's outputs cost for 640x640, 80 classes and 300 objects that eight anchors each find."""
    random = np.random.default_rng(0)
    columns = np.zeros((4 + 80 + 32, 8400), np.float32)
    columns[4:84] = random.uniform(0, 0.05, (80, 8400))
    columns[84:] = random.normal(0, 1, (32, 8400))
    places, sides = random.uniform(20, 620, (2, 300)), random.uniform(15, 60, (2, 300))
    boxes = np.concatenate([places, sides]).repeat(8, 1)
    columns[:4, :2400] = boxes + random.normal(0, 1, boxes.shape)
    columns[4 + random.integers(0, 80, 300).repeat(8), np.arange(2400)] = random.uniform(0.3, 0.95, 2400)
    columns = np.ascontiguousarray(columns[:, random.permutation(8400)])
    outputs = {"anchors": columns, "prototypes": random.normal(0, 1, (32, 160, 160)).astype(np.float32)}
    family, fit = FAMILIES["yolo"], make_fit("letterbox", (720, 1280), (640, 640))
    limits = Limits(0.25, 300, family.defaults.overlap)

    def read() -> Instances:
        return place(family.decode(outputs, fit.size, limits), fit, 81, 80)

    found = read()
    return {
        "300 objects of YOLO": timed(lambda i: read(), 20),
        "their masks as labels": timed(lambda i: paint(found, fit.frame, (360, 640), 80), 5),
    }


def decode(clip: Path) -> float:
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "AUTO"
        started_s = time.process_time()
        count = sum(1 for _ in container.decode(video=0))
        return (time.process_time() - started_s) * 1e3 / count


def capture(clip: Path) -> float:
    """The same as the pipeline has it, in the one thread that asks."""
    source = open_source(str(clip))
    started_s = time.process_time()
    count = sum(1 for _ in source)
    return (time.process_time() - started_s) * 1e3 / count


def filtered(frames: list[av.VideoFrame], chain: Chain) -> Step:
    """What is done to video that needs it, on top of decoding."""
    graph = graph_of(chain, frames[0])
    ticks = itertools.count()

    def run() -> float:
        started_s = time.process_time()
        for frame in frames:
            frame.pts = next(ticks)
            graph.push(frame)
            with contextlib.suppress(av.error.BlockingIOError):
                graph.vpull()
        return (time.process_time() - started_s) * 1e3 / len(frames)

    return run


def encode(shown: list[Shown], folder: Path) -> float:
    sink = VideoSink(str(folder / "out.mp4"))
    started_s = time.process_time()
    for each in shown:
        sink.write(each)
    sink.close()
    return (time.process_time() - started_s) * 1e3 / len(shown)


def pipeline(clip: Path, model: str, *, steady: bool) -> Step:
    """A run whose network's calls are timed by their own thread, which is all they use: one thread a worker."""
    network_s: list[float] = []
    plain = OrtBackend.run

    def run_timed(self: OrtBackend, feeds: dict[str, object]) -> object:
        started_s = time.thread_time()
        outputs = plain(self, feeds)  # type: ignore[arg-type]
        network_s.append(time.thread_time() - started_s)
        return outputs

    def run() -> float:
        OrtBackend.run = run_timed  # type: ignore[method-assign,assignment]
        try:
            for count, _ in enumerate(streamseg.open(str(clip), "null", model=model, threads=1, steady=steady)):
                if count == WARM_UP:
                    network_s.clear()
                    started_s = time.process_time()
            return (time.process_time() - started_s - sum(network_s)) * 1e3 / (count - WARM_UP)
        finally:
            OrtBackend.run = plain  # type: ignore[method-assign]

    return run


def table(found: dict[str, object], least: dict[str, float]) -> str:
    rows = [f"{found['clip']}, model {found['model']}, load {found['load_average']}"]
    return "\n".join([*rows, *(f"{name:<24} {cpu_ms:>7.2f} CPU ms" for name, cpu_ms in least.items())])


if __name__ == "__main__":
    with opencv_one_thread:  # as in a run
        main()
