"""The loops of our own: the tutorials' way, our steps one after another, and the pipeline."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import onnxruntime

import streamseg
from streamseg.bench.loop import Inside, Labels, Task, decoded
from streamseg.capture import open_source
from streamseg.contracts import Controls
from streamseg.infer import load_recipe
from streamseg.infer.tuned import Choice, in_words
from streamseg.metrics import Meter
from streamseg.render import RenderOptions, make_renderer

_ORT = f"ONNX Runtime {onnxruntime.__version__}"


def naive(task: Task) -> Inside:
    """What tutorials show: cv2.VideoCapture, NumPy normalisation, ONNX Runtime, NumPy decision, palette[mask]."""
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
            picture = cv2.resize(frame, (width, height))
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if bare.rgb else picture
            tensor = ((picture.astype(np.float32) - mean) / std).transpose(2, 0, 1)[None]
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
        segment = load_recipe(str(task.file), backend="ort-cpu").make(task.threads)
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


def pipeline(task: Task, choice: Choice | None = None, *, carried: bool = False) -> Inside:
    """The pipeline, as it runs without tuning, or as `choice` has it.

    With the network's own mask in every frame, or `carried`: the network looks at some frames, motion fills in between.
    """
    options: dict[str, object] = {"model": str(task.file), "backend": "ort-cpu"}
    if choice is not None:
        options = {
            "model": choice.file or str(task.file),
            "backend": choice.backend,
            "workers": choice.workers,
            "threads": choice.threads,
        }

    options |= {"steady": False, "target": "fps" if carried else "quality"}

    def start() -> Iterator[Labels]:
        for shown in streamseg.open(str(task.clip), "null", **options):
            yield shown.segmentation.labels

    suffix = ", masks carried" if carried else ""
    if choice is None:
        return Inside(f"streamseg{suffix}", f"{_ORT}, {task.threads} x 1 threads", start, exact=not carried)
    return Inside(f"streamseg, tuned{suffix}", in_words(choice), start, exact=not carried)
