"""An evaluation as a table, as JSON, and as a sheet of the pictures that went worst."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from streamseg.errors import OutputError
from streamseg.evaluation.evaluate import Evaluation, Judged
from streamseg.frame import Frame, Image
from streamseg.render.overlay import Overlay
from streamseg.render.text import put_text
from streamseg.segmentation import Segmentation

_WIDTH_PX = 400


def as_json(found: Evaluation) -> str:
    """Everything but the pictures; fractions 0..1."""
    return msgspec.json.encode(
        {
            "model": found.model,
            "pictures": found.pictures,
            "miou": _number(found.scores.miou),
            "accuracy": _number(found.scores.accuracy),
            "boundary_f1_2px": _number(found.boundary_f1),
            "iou": {name: _number(value) for name, value in zip(found.classes, found.scores.iou, strict=True)},
            "confusion": found.matrix.tolist(),
            "ms_per_picture": round(found.ms_per_picture, 2),
            "worst": {judged.name: _number(judged.miou) for judged in found.worst},
        }
    ).decode()


def print_table(found: Evaluation) -> None:
    """In percent, on the standard output."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class")
    table.add_column("IoU %", justify="right")
    table.add_column("of all %", justify="right")
    shares = found.matrix.sum(1) / max(1, found.matrix.sum())
    for name, iou, share in zip(found.classes, found.scores.iou, shares, strict=True):
        table.add_row(name, _percent(iou), _percent(float(share)))
    Console().print(table)
    print(
        f"{found.model} on {found.pictures} pictures: mIoU {_percent(found.scores.miou)} %, accuracy "
        f"{_percent(found.scores.accuracy)} %, boundary F1 at 2 px {_percent(found.boundary_f1)} %, "
        f"{found.ms_per_picture:.1f} ms a picture"
    )


def write_sheet(found: Evaluation, path: Path) -> None:
    """The worst pictures: as they are, as they should be, as they were found.

    Raises:
        OutputError: it cannot be written.
    """
    rows = [_row(judged) for judged in found.worst]
    if not cv2.imwrite(str(path), np.vstack(rows)):
        raise OutputError(f"{path}: cannot be written")


def _row(judged: Judged) -> Image:
    frame = Frame(judged.image, 0, 0.0, 0.0)
    truth = Segmentation(judged.true, judged.segmentation.classes, 0, 0.0)
    pictures = [judged.image]
    for segmentation in (truth, judged.segmentation):
        picture = np.empty_like(judged.image)
        Overlay()(picture, frame, segmentation, 0.6)
        pictures.append(picture)
    height = round(_WIDTH_PX * judged.image.shape[0] / judged.image.shape[1])
    small = [np.asarray(cv2.resize(each, (_WIDTH_PX, height)), np.uint8) for each in pictures]
    row: Image = np.hstack(small)
    put_text(row, f"{judged.name}  {_percent(judged.miou)} %", 8, 22, 0.6)
    # Rows of one width and their own heights; the sheet stacks them.
    return row


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
