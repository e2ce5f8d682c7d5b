"""The loops of our own: the tutorials' way, our steps one after another, and the pipeline."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

import streamseg
from streamseg import runtimes
from streamseg.bench.loop import Inside, Labels, Task, decoded
from streamseg.capture import open_source
from streamseg.contracts import Controls
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.tuning_store import Choice, in_words
from streamseg.machine import version_of
from streamseg.metrics import Meter
from streamseg.options import RenderOptions
from streamseg.render import make_renderer

_ORT = f"ONNX Runtime {version_of('onnxruntime')}"


def naive(task: Task) -> Inside:
    """What tutorials show: cv2.VideoCapture, NumPy normalisation, ONNX Runtime, NumPy decision, palette[mask]."""
    onnxruntime = runtimes.onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    options.log_severity_level = 4
    bare = task.bare
    session = onnxruntime.InferenceSession(str(bare.file), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    height, width = task.size
    mean, std = bare.mean.reshape(1, 1, 3), bare.std.reshape(1, 1, 3)

    def start() -> Iterator[Labels]:
        for frame in decoded(task):
            small = cv2.resize(frame, (width, height))
            small = cv2.cvtColor(small, cv2.COLOR_BGR2RGB) if bare.rgb else small
            tensor = ((small.astype(np.float32) - mean) / std).transpose(2, 0, 1)[None]
            scores = session.run(None, {entry: tensor})[0]
            if bare.decision == "threshold":
                plane = scores.reshape(scores.shape[-2:])
                mask = np.argmax(np.stack([1 - plane, plane]), axis=0).astype(np.uint8)
            else:
                mask = np.argmax(scores[0], axis=0).astype(np.uint8)
            large = cv2.resize(mask, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_NEAREST)
            cv2.addWeighted(frame, 0.5, task.classes.colours[large], 0.5, 0)
            yield mask

    return Inside("naive loop", f"{_ORT}, {task.threads} threads", start)


def serial(task: Task) -> Inside:
    """Our own steps one after another in one thread, the network with all threads; its masks are the reference."""

    def start() -> Iterator[Labels]:
        segment = load_segmenter(str(task.file), backend="ort-cpu").make(task.threads)
        render = make_renderer(RenderOptions(), Controls())
        source = open_source(str(task.clip))
        try:
            for frame in source:
                (segmentation,) = segment([frame])
                render(frame, segmentation, Meter().read())
                yield segmentation.labels
        finally:
            source.close()
            segment.close()

    return Inside("streamseg's steps in turn", f"{_ORT}, {task.threads} threads", start)


def called(task: Task) -> Inside:
    """What a program of one's own does: decodes by OpenCV, and calls the model with each frame."""

    def start() -> Iterator[Labels]:
        with streamseg.load(str(task.file), backend="ort-cpu", threads=task.threads) as model:
            for image in decoded(task):
                yield model(image).labels

    return Inside("load(model)(frame)", f"{_ORT}, {task.threads} threads", start)


def stepped(task: Task) -> Inside:
    """The same with the step that the pipeline takes for a frame."""

    def start() -> Iterator[Labels]:
        segment = load_segmenter(str(task.file), backend="ort-cpu").make(task.threads)
        try:
            for index, image in enumerate(decoded(task)):
                yield segment([Frame(image, index, 0.0, 0.0)])[0].labels
        finally:
            segment.close()

    return Inside("the pipeline's step", f"{_ORT}, {task.threads} threads", start)


def by_hand(task: Task) -> Inside:
    """The same with ONNX Runtime itself: a resize, and a run of the network that takes bytes and gives labels."""
    onnxruntime = runtimes.onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as in the others: what differs is ours
    session = onnxruntime.InferenceSession(str(task.fixed), options, providers=["CPUExecutionProvider"])
    height, width = task.size

    def start() -> Iterator[Labels]:
        for image in decoded(task):
            small = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
            labels: Labels = session.run([task.labels], {task.image: small[None]})[0][0]
            yield labels

    return Inside("network by hand", f"{_ORT}, {task.threads} threads", start)


def pipeline(task: Task, choice: Choice | None = None, *, carried: bool = False) -> Inside:
    """The pipeline, as it runs without tuning, or as `choice` has it.

    With the network's own mask in every frame, or `carried`: the network looks at some frames, motion fills in between.
    """

    def start() -> Iterator[Labels]:
        stream = streamseg.open(
            str(task.clip),
            "null",
            model=choice.file or str(task.file) if choice else str(task.file),
            backend=choice.backend if choice else "ort-cpu",
            gpu=task.gpu,
            workers=choice.workers if choice else None,
            threads=choice.threads if choice else None,
            steady=False,
            target="fps" if carried else "quality",
        )
        for shown in stream:
            yield shown.segmentation.labels

    suffix = ", masks carried" if carried else ""
    if choice is None:
        return Inside(f"streamseg{suffix}", f"{_ORT}, {task.threads} x 1 threads", start, exact=not carried)
    return Inside(f"streamseg, tuned{suffix}", in_words(choice), start, exact=not carried)
