"""segmentation_models_pytorch with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch

from zoo.exporting import calibrate, export, normalised, spread
from zoo.row import Found, Row, pictures, write_row


def network(folder: Path, kind: str, classes: int, squashed: bool = False, flags: tuple[str, ...] = ()) -> None:
    torch.manual_seed(0)
    made = smp.create_model(
        kind, "mit_b0" if kind == "segformer" else "resnet18", None, classes=classes,
        activation="sigmoid" if squashed else None,
    )  # fmt: skip
    row = Row(f"smp {smp.__version__}, legacy", ("--preset", "smp", *flags), size=(256, 256))
    images = [normalised(image) for image in pictures(folder.parent, row)]

    def run() -> None:
        made(torch.cat(images))

    calibrate(made, run)
    spread([layer for layer in made.modules() if getattr(layer, "out_channels", 0) == classes][-1], run)
    with torch.no_grad():
        planes = [made(image)[0].numpy() for image in images]
    middle = 0.5 if squashed else 0.0
    labels = [plane[0] > middle if classes == 1 else plane.argmax(0) for plane in planes]
    export(made, (images[0],), folder, ["mask"])
    write_row(folder, row, [Found(each.astype(np.uint8)) for each in labels])


MODELS: dict[str, Callable[[Path], None]] = {
    "smp-unet-sigmoid": lambda folder: network(folder, "unet", 1, squashed=True),
    "smp-unet-logit": lambda folder: network(folder, "unet", 1, flags=("--role", "logits")),
    "smp-unetplusplus": lambda folder: network(folder, "unetplusplus", 5),
    "smp-fpn": lambda folder: network(folder, "fpn", 5),
    "smp-deeplabv3plus": lambda folder: network(folder, "deeplabv3plus", 19),
    "smp-segformer": lambda folder: network(folder, "segformer", 19),
}
