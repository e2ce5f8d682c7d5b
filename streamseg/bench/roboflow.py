"""Roboflow's `inference` with logic of one's own, in the interpreter that has it: run as a program by `elsewhere`.

    PYTHON roboflow.py CLIP MODEL.onnx THREADS COLOURS.npy

Needs numpy, OpenCV, onnxruntime and inference, nothing of streamseg. Reads orders from the standard input, a line
each: `labels COUNT FILE.npy` and `turn SECONDS`; answers with a line of JSON behind "@".
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_WARM_UP = 20


def colour_table(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(256, 1, 3) u8 for cv2.applyColorMap from (C, 3) u8 BGR."""
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(colours), 0] = colours
    return table


def draw(frame: NDArray[np.uint8], labels: NDArray[np.uint8], table: NDArray[np.uint8]) -> Any:
    """The frame with the colours of its labels over it, in the quickest way that OpenCV has."""
    colours = cv2.resize(cv2.applyColorMap(labels, table), frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return cv2.addWeighted(frame, 0.5, colours, 0.5, 0)


class Logic:
    """What the pipeline calls for each frame, and what it calls with the result."""

    def __init__(self, model: str, threads: int, colours: NDArray[np.uint8]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        entry = self._session.get_inputs()[0]
        self._entry, (_, self._height, self._width, _) = entry.name, entry.shape
        self._output = [self._session.get_outputs()[0].name]
        self._table = colour_table(colours)

    def infer(self, frames: list[Any]) -> list[Any]:
        """Labels for each frame."""
        images = [cv2.resize(frame.image, (self._width, self._height))[None] for frame in frames]
        return [self._session.run(self._output, {self._entry: image})[0][0] for image in images]

    def draw(self, labels: Any, frame: Any) -> None:
        """The overlay."""
        draw(frame.image, labels, self._table)


def _labels(clip: str, logic: Logic, count: int, file: str) -> dict[str, object]:
    found: list[Any] = []

    def take(labels: Any, frame: Any) -> None:
        found.append(labels)

    _run(clip, logic, take, lambda: len(found) >= count)
    np.save(file, np.stack(found[:count]))
    return {"count": len(found)}


def _turn(clip: str, logic: Logic, seconds: float) -> dict[str, object]:
    frames = 0
    started: tuple[float, float] = 0.0, 0.0
    taken: dict[str, object] = {}

    def take(labels: Any, frame: Any) -> None:
        nonlocal frames, started
        logic.draw(labels, frame)
        frames += 1
        if frames == _WARM_UP:
            started = time.perf_counter(), time.process_time()
        elif frames > _WARM_UP and time.perf_counter() - started[0] < seconds:
            wall_s, cpu_s = time.perf_counter() - started[0], time.process_time() - started[1]
            taken.update(frames=frames - _WARM_UP, wall_s=wall_s, cpu_s=cpu_s)

    _run(clip, logic, take, lambda: frames > _WARM_UP and time.perf_counter() - started[0] >= seconds)
    return taken


def _run(clip: str, logic: Logic, take: Any, enough: Any) -> None:
    """The clip through the pipeline until it ends or `enough` says so."""
    from inference import InferencePipeline

    pipeline: Any = None
    ending = False

    def on_prediction(labels: Any, frame: Any) -> None:
        nonlocal ending
        if not ending and not enough():
            take(labels, frame)
        elif not ending:
            ending = True
            pipeline.terminate()

    pipeline = InferencePipeline.init_with_custom_logic(clip, on_video_frame=logic.infer, on_prediction=on_prediction)
    pipeline.start(use_main_thread=True)
    pipeline.join()


def main() -> None:
    """Obeys until the standard input ends."""
    clip, model, threads, colours = sys.argv[1:]
    import inference  # noqa: F401  to fail now if it is not there

    logic = Logic(model, int(threads), np.load(colours))
    _answer({"version": importlib.metadata.version("inference")})
    for line in sys.stdin:
        order, *words = line.split()
        if order == "labels":
            _answer(_labels(clip, logic, int(words[0]), words[1]))
        else:
            _answer(_turn(clip, logic, float(words[0])))


def _answer(told: dict[str, object]) -> None:
    print("@" + json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
