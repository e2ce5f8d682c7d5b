"""Peers that need an interpreter of their own, run by it as a program; `subprocess_loop` gives the orders.

    PYTHON peer_program.py PEER CLIP MODEL.onnx THREADS COLOURS.npy

Needs numpy, OpenCV, onnxruntime and the peer's package, nothing of streamseg. Reads orders from the standard input, a
line each: `labels COUNT FILE.npy` and `turn SECONDS`; answers with a line of JSON behind "@".
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

_WARM_UP = 20

Take = Callable[[Any, Callable[[], object]], None]
"""Given the labels of the next frame, and what draws them."""


class Peer(Protocol):
    """Another program's loop over a video."""

    def run(self, clip: str, take: Take, enough: Callable[[], bool]) -> None:
        """The clip from its beginning until it ends or `enough` says so."""


def colour_table(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(256, 1, 3) u8 for cv2.applyColorMap from (C, 3) u8 BGR."""
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(colours), 0] = colours
    return table


def draw(frame: NDArray[np.uint8], labels: NDArray[np.uint8], table: NDArray[np.uint8]) -> Any:
    """The frame with the colours of its labels over it, in the quickest way that OpenCV has."""
    colours = cv2.resize(cv2.applyColorMap(labels, table), frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return cv2.addWeighted(frame, 0.5, colours, 0.5, 0)


class Roboflow:
    """`inference` with logic of one's own: what its pipeline calls for each frame, and what it calls with the result.

    Its model takes (1, h, w, 3) u8 BGR and gives (1, h, w) u8 labels.
    """

    def __init__(self, model: str, threads: int, colours: NDArray[np.uint8]) -> None:
        import inference  # noqa: F401  to fail now if it is not there
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        entry = self._session.get_inputs()[0]
        self._entry, (_, self._height, self._width, _) = entry.name, entry.shape
        self._output = [self._session.get_outputs()[0].name]
        self._table = colour_table(colours)

    def run(self, clip: str, take: Take, enough: Callable[[], bool]) -> None:
        """See `Peer`."""
        from inference import InferencePipeline

        pipeline: Any = None
        ending = False

        def on_prediction(labels: Any, frame: Any) -> None:
            nonlocal ending
            if not ending and not enough():
                take(labels, lambda: draw(frame.image, labels, self._table))
            elif not ending:
                ending = True
                pipeline.terminate()

        pipeline = InferencePipeline.init_with_custom_logic(
            clip, on_video_frame=self._infer, on_prediction=on_prediction
        )
        pipeline.start(use_main_thread=True)
        pipeline.join()

    def _infer(self, frames: list[Any]) -> list[Any]:
        images = [cv2.resize(frame.image, (self._width, self._height))[None] for frame in frames]
        return [self._session.run(self._output, {self._entry: image})[0][0] for image in images]


class Ultralytics:
    """`YOLO(...).predict(stream=True)` and `plot`, as its documents show them.

    Its model takes (1, 3, h, w) f32 RGB of 0..1 and gives (1, h, w) labels; `graph.for_ultralytics` writes it.
    """

    def __init__(self, model: str, threads: int, colours: NDArray[np.uint8]) -> None:
        from ultralytics import YOLO

        self._model: Any = YOLO(model, task="semantic")

    def run(self, clip: str, take: Take, enough: Callable[[], bool]) -> None:
        """See `Peer`."""
        for result in self._model.predict(clip, stream=True, verbose=False, device="cpu"):
            if enough():
                return
            take(result.semantic_mask.data, result.plot)


PEERS: dict[str, Callable[[str, int, NDArray[np.uint8]], Peer]] = {"inference": Roboflow, "ultralytics": Ultralytics}
"""By the package that has each."""


def _labels(clip: str, peer: Peer, count: int, file: str) -> dict[str, object]:
    found: list[Any] = []
    peer.run(clip, lambda labels, _: found.append(np.asarray(labels, np.uint8)), lambda: len(found) >= count)
    np.save(file, np.stack(found[:count]))
    return {"count": len(found)}


def _turn(clip: str, peer: Peer, seconds: float) -> dict[str, object]:
    frames = 0
    started: tuple[float, float] = 0.0, 0.0
    taken: dict[str, object] = {}

    def take(_: Any, drawn: Callable[[], object]) -> None:
        nonlocal frames, started
        drawn()
        frames += 1
        if frames == _WARM_UP:
            started = time.perf_counter(), time.process_time()
        elif frames == _WARM_UP + 1 or (taken and time.perf_counter() - started[0] < seconds):
            # One counts however long it takes.
            wall_s, cpu_s = time.perf_counter() - started[0], time.process_time() - started[1]
            taken.update(frames=frames - _WARM_UP, wall_s=wall_s, cpu_s=cpu_s)

    peer.run(clip, take, lambda: frames > _WARM_UP and time.perf_counter() - started[0] >= seconds)
    return taken


def main() -> None:
    """Obeys until the standard input ends."""
    package, clip, model, threads, colours = sys.argv[1:]
    peer = PEERS[package](model, int(threads), np.load(colours))
    _answer({"version": importlib.metadata.version(package)})
    for line in sys.stdin:
        order, *words = line.split()
        if order == "labels":
            _answer(_labels(clip, peer, int(words[0]), words[1]))
        else:
            _answer(_turn(clip, peer, float(words[0])))


def _answer(told: dict[str, object]) -> None:
    print("@" + json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
