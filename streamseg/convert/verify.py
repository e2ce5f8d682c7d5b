"""An imported graph against a plain NumPy reference on the original: the same labels, pixel by pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.convert.signature import blank_input
from streamseg.convert.surgery import LABELS, PICTURE, OutputPlan
from streamseg.errors import InputError
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import Tensor

_IMAGES = 3
_TIE = 1e-4  # scores nearer to each other than this, relative to their range, may fall to either side by rounding


def agreement(original: Backend, file: Path, taken: InputSpec, plan: OutputPlan) -> float:
    """Share of pixels, 0..1, on which the imported `file` gives the reference's labels; random pictures.

    Raises:
        InputError: a label differs where the scores were no tie.
    """
    imported = open_backend(file, 1, "ort-cpu")
    random = np.random.default_rng(0)
    shape = blank_input(original, taken).shape
    batch, channels, height, width = shape if taken.layout == "NCHW" else [shape[i] for i in (0, 3, 1, 2)]
    same = total = 0
    try:
        for _ in range(_IMAGES):
            images = np.stack([_image(random, height, width, channels) for _ in range(batch)])
            labels = imported.run({PICTURE: images})[LABELS]
            expected, margin = reference_labels(original, images, taken, plan)
            differs = labels != expected
            if np.any(differs & (margin > _TIE)):
                wrong = np.mean(differs & (margin > _TIE))
                raise InputError(f"the import gives other labels than the model itself on {wrong:.2%} of the pixels")
            same += int(differs.size - differs.sum())
            total += differs.size
    finally:
        imported.close()
    return same / total


def reference_labels(
    original: Backend, images: NDArray[np.uint8], taken: InputSpec, plan: OutputPlan
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Labels (N, h, w) u8 by the textbook, and how far each was from a tie, as a share of the scores' range.

    `images` are (N, H, W, C) u8, BGR or grey.
    """
    image = images[..., ::-1] if taken.colour == "rgb" else images
    values = (image.astype(np.float32) - np.asarray(taken.mean, np.float32)) / np.asarray(taken.std, np.float32)
    if taken.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    feed: Tensor = np.ascontiguousarray(values, taken.dtype)
    scores = original.run({taken.name or "": feed})[plan.info.name]
    if plan.channel_axis is not None:
        scores = np.moveaxis(scores, plan.channel_axis, 1)
    if plan.role == "labels":
        labels = scores if plan.channel_axis is None else scores[:, 0]
        return labels.astype(np.uint8), np.ones(labels.shape)
    if plan.role == "logits":
        top = np.sort(scores.astype(np.float64), axis=1)[:, -2:]
        return scores.argmax(axis=1).astype(np.uint8), (top[:, -1] - top[:, 0]) / max(float(np.ptp(scores)), 1e-12)
    plane: NDArray[Any] = (scores if plan.channel_axis is None else scores[:, 0]).astype(np.float32)
    plane = (1 + np.tanh(plane / 2)) / 2 if plan.sigmoid else plane
    return (plane > 0.5).astype(np.uint8), np.abs(plane - 0.5)


def _image(random: np.random.Generator, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Blots of colour with noise on them: large areas as well as single pixels."""
    small = random.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    blots = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    noise = random.integers(-20, 21, (height, width, channels))
    image: NDArray[np.uint8] = np.clip(blots + noise, 0, 255).astype(np.uint8)
    return image
