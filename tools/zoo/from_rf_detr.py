"""RF-DETR of Roboflow's own package, with random weights."""

from __future__ import annotations

import contextlib
import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import rfdetr
import torch

from zoo.row import MODEL, Found, Row, pictures, write_row

LEAST = 0.5


def segmentation(folder: Path) -> None:
    """RF-DETR-Seg Nano."""
    _export(folder, rfdetr.RFDETRSegNano)


def detection(folder: Path) -> None:
    """RF-DETR Nano."""
    _export(folder, rfdetr.RFDETRNano)


def _export(folder: Path, kind: Any) -> None:
    torch.manual_seed(0)
    model = kind(pretrain_weights=None)
    with torch.no_grad():
        for name, values in model.model.model.named_parameters():
            if name.startswith("class_embed"):  # so that some score much and most little
                values.mul_(0).add_(torch.randn_like(values) * (0.12 if values.dim() > 1 else 1.0))
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        model.export(output_dir=str(folder), verbose=False)
    written = next(folder.glob("*.onnx"))
    written.replace(folder / MODEL)
    side = int(model.model.resolution)
    row = Row(f"rfdetr {version('rfdetr')}, {kind.__name__}", size=(side, side))
    found = []
    for image in pictures(folder.parent, row):
        seen = model.predict(np.ascontiguousarray(image[..., ::-1]), threshold=LEAST)
        found.append(Found(None, seen.xyxy, seen.confidence, seen.class_id, seen.mask))
    write_row(folder, row, found)


MODELS = {"rf-detr-seg": segmentation, "rf-detr": detection}
