"""How fast the pipeline is, beside what one would write first and beside the network alone, in one run.

    python tools/bench.py [--model person] [--clip FILE] [--rounds 7] [--json]

Four loops over the same 720p H.264 file, with the same network and the same number of threads, take turns; the first
round warms up and does not count. Before any time counts, the naive loop's masks and the pipeline's are compared.

naive     what tutorials show: cv2.VideoCapture, NumPy normalisation, ONNX Runtime, NumPy decision, palette[mask]
network   the network alone on one picture, over and over: the floor that nothing with this network can beat
serial    streamseg's own steps one after another in one thread, the network with all threads
streamseg the pipeline: decoding, network and drawing side by side
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import onnxruntime
from demo import find_clip
from numpy.typing import NDArray

import streamseg
from streamseg.assembly import available_cores
from streamseg.capture import open_source
from streamseg.contracts import Controls
from streamseg.infer import load_recipe
from streamseg.infer.catalogue import find_model
from streamseg.metrics import Meter
from streamseg.render import RenderOptions, make_renderer

LEAST_AGREEMENT = 0.99  # the two loops decode colours with different libraries
Loop = Callable[[], int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="person")
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        short = find_clip("bigbuckbunny.mp4") or scene(Path(folder) / "scene.mp4")
        clip = arguments.clip or repeated(short, Path(folder) / f"{short.stem}-x5.mp4", times=5)
        threads = available_cores()
        naive = Naive(clip, bare_model(arguments.model, Path(folder)), threads)
        agreement = compare(naive, clip, arguments.model)
        loops: dict[str, Loop] = {
            "naive": naive.run,
            "network": network_alone(arguments.model, threads, clip),
            "serial": serial(arguments.model, threads, clip),
            "streamseg": lambda: streamseg.open(str(clip), "null", model=arguments.model).run().shown,
        }
        rows = take_turns(loops, arguments.rounds)
    report(rows, clip, threads, agreement, as_json=arguments.json)


def scene(path: Path) -> Path:
    """The generated scene as a file, where no real clip is at hand."""
    streamseg.open("test://?frames=150&size=1280x720", str(path), model="otsu", view="source").run()
    return path


def repeated(clip: Path, target: Path, times: int) -> Path:
    """The clip several times over, its packets copied: long enough that loading a network does not count."""
    with av.open(str(target), "w") as out:
        stream = None
        shift = 0
        for _ in range(times):
            with av.open(str(clip)) as container:
                source = container.streams.video[0]
                stream = stream or out.add_stream_from_template(source)
                end = shift
                for packet in container.demux(source):
                    if packet.dts is not None and packet.pts is not None:
                        end = max(end, shift + packet.pts + (packet.duration or 1))
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        out.mux(packet)
                shift = end
    return target


def bare_model(name: str, folder: Path) -> Path:
    """The shipped network as it was before its import: floating-point picture in, probability out."""
    model = onnx.load(str(find_model(name)))
    first = next(node for node in model.graph.node if node.op_type == "Conv").input[0]
    last = next(node for node in model.graph.node if node.op_type == "Greater").input[0]
    for inner in (first, last):
        if inner not in {info.name for info in model.graph.value_info}:
            model = onnx.shape_inference.infer_shapes(model)
    target = folder / "bare.onnx"
    onnx.save(onnx.utils.Extractor(model).extract_model([first], [last]), str(target))
    return target


class Naive:
    """The loop of the tutorials."""

    palette = np.array([[0, 0, 0], [150, 200, 0]], np.uint8)

    def __init__(self, clip: Path, model: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.clip = clip
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0]

    def masks(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Picture with its overlay, and mask, of every frame."""
        capture = cv2.VideoCapture(str(self.clip))
        height, width = self.input.shape[2:]
        while True:
            taken, frame = capture.read()
            if not taken:
                return
            picture = cv2.cvtColor(cv2.resize(frame, (width, height)), cv2.COLOR_BGR2RGB)
            tensor = (picture.astype(np.float32) / 255.0).transpose(2, 0, 1)[None]
            scores = self.session.run(None, {self.input.name: tensor})[0].reshape(1, height, width)
            mask = np.argmax(np.concatenate([1 - scores, scores]), axis=0).astype(np.uint8)
            large = cv2.resize(mask, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_NEAREST)
            shown = cv2.addWeighted(frame, 0.5, self.palette[large], 0.5, 0)
            yield np.asarray(shown, np.uint8), mask

    def run(self) -> int:
        return sum(1 for _ in self.masks())


def compare(naive: Naive, clip: Path, model: str) -> float:
    """Share of pixels on which both loops agree; stops the benchmark where they do not."""
    ours = (shown.segmentation.labels for shown in streamseg.open(str(clip), model=model))
    shares = [float((mask == labels).mean()) for (_, mask), labels in zip(naive.masks(), ours, strict=True)]
    agreement = statistics.fmean(shares)
    if agreement < LEAST_AGREEMENT:
        raise SystemExit(
            f"the masks agree on {agreement:.2%} of the pixels only: no time of theirs would mean anything"
        )
    return agreement


def network_alone(model: str, threads: int, clip: Path) -> Loop:
    segment = load_recipe(model).make(threads)
    frame = next(iter(open_source(str(clip))))

    def run() -> int:
        for _ in range(100):
            segment([frame])
        return 100

    return run


def serial(model: str, threads: int, clip: Path) -> Loop:
    segment = load_recipe(model).make(threads)
    render = make_renderer(RenderOptions(), Controls())

    def run() -> int:
        shown = 0
        for frame in open_source(str(clip)):
            (segmentation,) = segment([frame])
            render(frame, segmentation, Meter().read())
            shown += 1
        return shown

    return run


def take_turns(loops: dict[str, Loop], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Frames a second and CPU milliseconds a frame of every loop in every round but the first."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for turn in range(rounds + 1):
        for name, loop in loops.items():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            frames = loop()
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
            if turn:
                rows[name].append((frames / wall_s, cpu_s * 1e3 / frames))
    return rows


def report(
    rows: dict[str, list[tuple[float, float]]], clip: Path, threads: int, agreement: float, *, as_json: bool
) -> None:
    rates = {name: [rate for rate, _ in turns] for name, turns in rows.items()}
    ratios = [ours / other for ours, other in zip(rates["streamseg"], rates["naive"], strict=True)]
    found = {
        "clip": clip.name,
        "threads": threads,
        "load_average": round(os.getloadavg()[0], 2),
        "masks_agree": round(agreement, 5),
        "loops": {
            name: {
                "fps_median": round(statistics.median(rates[name]), 1),
                "fps_min": round(min(rates[name]), 1),
                "fps_max": round(max(rates[name]), 1),
                "cpu_ms_per_frame": round(statistics.median(cpu for _, cpu in turns), 2),
            }
            for name, turns in rows.items()
        },
        "streamseg_over_naive": {
            "median": round(statistics.median(ratios), 2),
            "min": round(min(ratios), 2),
            "max": round(max(ratios), 2),
        },
    }
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(f"{clip.name}, {threads} threads, masks agree on {agreement:.2%}, load {found['load_average']}")
    print(f"{'loop':<10} {'fps median':>10} {'min':>7} {'max':>7} {'CPU ms/frame':>13}")
    for name, row in found["loops"].items():  # type: ignore[attr-defined]
        print(
            f"{name:<10} {row['fps_median']:>10} {row['fps_min']:>7} {row['fps_max']:>7} {row['cpu_ms_per_frame']:>13}"
        )
    print(
        f"streamseg / naive, round by round: median {statistics.median(ratios):.2f}, "
        f"{min(ratios):.2f} to {max(ratios):.2f}"
    )


if __name__ == "__main__":
    main()
