"""An evaluation as a table, as JSON, and as a sheet of the pictures that went worst."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from streamseg.errors import OutputError, printable
from streamseg.evaluation.evaluate import Evaluation, Judged
from streamseg.frame import Frame, Image
from streamseg.render.overlay import Overlay
from streamseg.render.text import put_text
from streamseg.segmentation import Segmentation

_WIDTH_PX = 400
_CALLED = {
    "miou": "mIoU",
    "boundary_f1_2px": "boundary F1 at 2 px",
    "pixel_error": "pixel error (1 - F1)",
    "rand": "Rand score",
    "information": "information score",
    "temporal_consistency": "temporal consistency",
    "right": "objects right (mean over IoU 0.5 to 0.95)",
    "right_50": "at IoU 0.5",
    "ap_50": "AP50",
    "ap": "AP",
}


def as_json(found: Evaluation) -> str:
    """Everything but the pictures; fractions 0..1."""
    told: dict[str, object] = {"model": found.model, "pictures": found.pictures}
    told |= {name: _number(value) for name, value in found.figures.items()}
    if found.matrix is not None:
        told["iou"] = {row.name: _number(row.iou) for row in found.classes}
        told["f1_2px"] = {row.name: _number(row.near_f1) for row in found.classes}
        told["confusion"] = found.matrix.tolist()
    told["ms_per_picture"] = round(found.ms_per_picture, 2)
    told["worst"] = {judged.name: _number(judged.score) for judged in found.worst}
    return msgspec.json.encode(told).decode()


def print_table(found: Evaluation) -> None:
    """In percent, on the standard output."""
    if found.classes:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("class")
        for title in ("IoU %", "F1 at 2 px %", "of all %"):
            table.add_column(title, justify="right")
        for row in found.classes:
            table.add_row(printable(row.name), *(_percent(value) for value in (row.iou, row.near_f1, row.share)))
        Console(markup=False).print(table)
    told = ", ".join(f"{_CALLED.get(name, name)} {_percent(value)} %" for name, value in found.figures.items())
    print(f"{found.model} on {found.pictures} pictures: {told}, {found.ms_per_picture:.1f} ms a picture")


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
    put_text(row, f"{judged.name}  {_percent(judged.score)} %", 8, 22, 0.6)
    # Rows of one width and their own heights; the sheet stacks them.
    return row


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
