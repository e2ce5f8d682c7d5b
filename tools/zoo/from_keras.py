"""Keras with PyTorch beneath it, or what KERAS_BACKEND says: small U-Nets of random weights.

With `tensorflow` it is tf2onnx that writes the file.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.row import MODEL, Found, Row, pictures, write_row

BACKEND = os.environ.setdefault("KERAS_BACKEND", "torch")
import keras  # noqa: E402, for it reads its backend once

BEHIND = "" if BACKEND == "torch" else f"-{BACKEND}"
SIDE = 128


def unet(folder: Path, classes: int, inside: bool) -> None:
    """Normalised `inside` as Keras advises; without that the file does not tell."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    picture = keras.Input((SIDE, SIDE, 3), batch_size=1)
    first = layers.Rescaling(1 / 255)(picture) if inside else picture
    wide = layers.Conv2D(8, 3, padding="same", activation="relu")(first)
    deep = layers.Conv2D(16, 3, padding="same", activation="relu")(layers.MaxPooling2D()(wide))
    joined = layers.Concatenate()([layers.UpSampling2D()(deep), wide])
    squash = "softmax" if classes > 1 else "sigmoid"
    start = keras.initializers.RandomNormal(stddev=3.0)
    given = layers.Conv2D(classes, 1, activation=squash, kernel_initializer=start)(joined)
    model = keras.Model(picture, given)
    flags = () if inside else ("--preset", "keras")
    row = Row(f"keras {keras.__version__}, {BACKEND}", flags, size=(SIDE, SIDE))
    found = []
    for image in pictures(folder.parent, row):
        fed = image[None, ..., ::-1].astype(np.float32) / np.float32(1 if inside else 255)
        planes = keras.ops.convert_to_numpy(model(fed))[0]
        labels = planes.argmax(-1) if classes > 1 else planes[..., 0] > 0.5
        found.append(Found(labels.astype(np.uint8)))
    with contextlib.redirect_stdout(io.StringIO()):
        model.export(folder / MODEL, format="onnx", verbose=False)
    write_row(folder, row, found)


MODELS: dict[str, Callable[[Path], None]] = {
    f"keras-unet{BEHIND}": lambda folder: unet(folder, 3, inside=True),
    f"keras-unet-sigmoid{BEHIND}": lambda folder: unet(folder, 1, inside=True),
    f"keras-unet-plain{BEHIND}": lambda folder: unet(folder, 3, inside=False),
}
