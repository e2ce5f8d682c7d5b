"""Other libraries' loops over the same clip and network: as their own documents show them, and no worse."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from streamseg import runtimes
from streamseg.bench.loop import Inside, Labels, Task, decoded
from streamseg.bench.peer_program import colour_table, draw
from streamseg.errors import BackendError
from streamseg.infer.postprocess import argmax_planes


def openvino_queue(task: Task, precision: str | None = None) -> Inside:
    """OpenVINO's AsyncInferQueue with the throughput hint; precision is its own choice where none is named.

    One thread decodes and resizes; labels are drawn in the queue's callbacks, where cores are used best.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    openvino = runtimes.openvino()
    options = {"PERFORMANCE_HINT": "THROUGHPUT"} | ({"INFERENCE_PRECISION_HINT": precision} if precision else {})
    model = openvino.Core().compile_model(task.fixed, "CPU", options)
    taken = model.get_property("INFERENCE_PRECISION_HINT").to_string()
    streams = model.get_property("NUM_STREAMS")
    table = colour_table(task.classes.colours)
    output = next(i for i, port in enumerate(model.outputs) if task.labels in port.get_names())

    def start() -> Iterator[Labels]:
        jobs = openvino.AsyncInferQueue(model)
        done: queue.SimpleQueue[tuple[int, Labels]] = queue.SimpleQueue()

        def finish(request: Any, what: tuple[int, Any]) -> None:
            labels = request.get_output_tensor(output).data[0].copy()
            draw(what[1], labels, table)
            done.put((what[0], labels))

        jobs.set_callback(finish)
        return _in_order(task, lambda frame, image, i: jobs.start_async({0: image[None]}, (i, frame)), done, jobs)

    version = openvino.__version__.partition("-")[0]
    name = "OpenVINO AsyncInferQueue" + (f", {precision}" if precision else "")
    return Inside(name, f"OpenVINO {version}, {taken}, {streams} streams", start)


def opencv_dnn(task: Task) -> Inside:
    """OpenCV's own network module: blobFromImage, forward, ArgMax by comparison."""
    net, engine = _opencv_net(task)
    bare, table = task.bare, colour_table(task.classes.colours)
    height, width = task.size
    steps = cv2.dnn.Image2BlobParams()
    steps.size, steps.swapRB, steps.mean = (width, height), bare.rgb, [*map(float, bare.mean), 0.0]
    steps.scalefactor = [*map(float, 1 / bare.std), 0.0]

    def start() -> Iterator[Labels]:
        for frame in decoded(task):
            net.setInput(cv2.dnn.blobFromImageWithParams(frame, steps))
            scores = np.asarray(net.forward())
            if bare.decision == "threshold":
                labels = (scores.reshape(scores.shape[-2:]) > 0.5).astype(np.uint8)
            else:
                labels = argmax_planes(scores, 1)[0]
            draw(frame, labels, table)
            yield labels

    return Inside("OpenCV DNN", f"OpenCV {cv2.__version__}, {engine}, {task.threads} threads", start)


def _opencv_net(task: Task) -> tuple[Any, str]:
    """The network on the engine that OpenCV prefers, else on its older one, which runs more graphs; and its name."""
    blank = np.zeros((1, 3, *task.size), np.float32)
    for engine, name in ((cv2.dnn.ENGINE_AUTO, "its own engine"), (cv2.dnn.ENGINE_CLASSIC, "classic engine")):
        net: Any = cv2.dnn.readNetFromONNX(str(task.bare.file), engine)
        net.setInput(blank)
        try:
            net.forward()
        except cv2.error:
            continue
        return net, name
    raise BackendError("neither engine of OpenCV runs it")


def _in_order(
    task: Task, submit: Callable[[Any, Any, int], None], done: queue.SimpleQueue[tuple[int, Labels]], jobs: Any
) -> Iterator[Labels]:
    """Hands every frame to `submit` and yields the labels out of `done` in the frames' order."""
    height, width = task.size
    waiting: dict[int, Labels] = {}
    following = 0
    try:
        for index, frame in enumerate(decoded(task)):
            submit(frame, cv2.resize(frame, (width, height)), index)
            while not done.empty():
                waiting.update([done.get()])
            while following in waiting:
                yield waiting.pop(following)
                following += 1
    finally:
        jobs.wait_all()
    while not done.empty():
        waiting.update([done.get()])
    for index in sorted(waiting):
        yield waiting[index]
