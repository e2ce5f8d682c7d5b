"""An evaluation as a table, as JSON, and as a sheet of the pictures that went worst."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from streamseg.errors import OutputError, printable
from streamseg.evaluation.evaluate import Difference, Evaluation, Judged
from streamseg.evaluation.interval import Interval
from streamseg.files import whole
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
    "rand_best": "best Rand score",
    "information_best": "information score there",
    "rand_best_at": "where a part is what is sure to at least",
    "temporal_consistency": "temporal consistency",
    "mvc_8": "mVC8",
    "mvc_16": "mVC16",
    "right": "objects right (mean over IoU 0.5 to 0.95)",
    "right_50": "at IoU 0.5",
    "ap_50": "AP50",
    "ap": "AP",
}


def as_tree(found: Evaluation) -> dict[str, object]:
    """Everything but the pictures, as JSON can hold it; fractions 0..1."""
    told: dict[str, object] = {"model": found.model, "pictures": found.pictures}
    told |= {name: _number(value) for name, value in found.figures.items()}
    told["interval_95"] = {name: _numbers(ends) for name, ends in found.intervals.items()}
    if found.matrix is not None:
        told["iou"] = {row.name: _number(row.iou) for row in found.classes}
        told["iou_interval_95"] = {row.name: _numbers(row.iou_95) for row in found.classes}
        told["f1_2px"] = {row.name: _number(row.near_f1) for row in found.classes}
        told["f1_2px_interval_95"] = {row.name: _numbers(row.near_f1_95) for row in found.classes}
        told["confusion"] = found.matrix.tolist()
    told["ms_per_picture"] = round(found.ms_per_picture, 2)
    told["worst"] = {judged.name: _number(judged.score) for judged in found.worst}
    return told


def print_table(found: Evaluation) -> None:
    """In percent, on the standard output."""
    if found.classes:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("class")
        for title in ("IoU %", "95 %", "F1 at 2 px %", "95 %", "of all %"):
            table.add_column(title, justify="right")
        for row in found.classes:
            iou, near = (_percent(row.iou), _ends(row.iou_95)), (_percent(row.near_f1), _ends(row.near_f1_95))
            table.add_row(printable(row.name), *iou, *near, _percent(row.share))
        Console(markup=False).print(table)
    told = ", ".join(_told(found, name, value) for name, value in found.figures.items())
    print(f"{found.model} on {found.pictures} pictures: {told}, {found.ms_per_picture:.1f} ms a picture")


def print_difference(one: Evaluation, other: Evaluation, found: Difference) -> None:
    """In points of percent."""
    low, high, by = ("-" if np.isnan(each) else f"{100 * each:+.1f}" for each in (*found.interval, found.by))
    by = f"{_CALLED.get(found.figure, found.figure)} {by} points ({low} to {high})"
    print(f"{one.model} against {other.model}: {by}")


def _told(found: Evaluation, name: str, value: float) -> str:
    ends = found.intervals.get(name)
    return f"{_CALLED.get(name, name)} {_percent(value)} %" + (f" ({_ends(ends)})" if ends else "")


def refuse_unwritable(path: Path) -> None:
    """Raises OutputError where no picture can have such a name."""
    if not path.suffix or not cv2.haveImageWriter(f"sheet{path.suffix}"):
        raise OutputError(f"{path}: not a kind of picture that can be written", "a name such as sheet.png")


def write_sheet(found: Evaluation, path: Path, *, overwrite: bool = False) -> None:
    """The worst pictures: as they are, as they should be, as they were found.

    Raises:
        OutputError: it exists and is not to be overwritten, or cannot be written.
    """
    refuse_unwritable(path)
    sheet = np.vstack([_row(judged) for judged in found.worst])
    _, data = cv2.imencode(path.suffix, sheet)
    with whole(path, overwrite=overwrite) as part:
        part.write_bytes(data.tobytes())


def _row(judged: Judged) -> Image:
    frame = Frame(judged.image, 0, 0.0, 0.0)
    truth = Segmentation(judged.true, judged.segmentation.classes, 0, 0.0)
    images = [judged.image]
    for segmentation in (truth, judged.segmentation):
        image = np.empty_like(judged.image)
        Overlay()(image, frame, segmentation, 0.6)
        images.append(image)
    height = round(_WIDTH_PX * judged.image.shape[0] / judged.image.shape[1])
    small = [np.asarray(cv2.resize(each, (_WIDTH_PX, height)), np.uint8) for each in images]
    row: Image = np.hstack(small)
    put_text(row, f"{judged.name}  {_percent(judged.score)} %", 8, 22, 0.6)
    # Rows of one width and their own heights; the sheet stacks them.
    return row


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)


def _numbers(ends: Interval) -> list[float | None]:
    return [_number(end) for end in ends]


def _ends(ends: Interval) -> str:
    return "-" if np.isnan(ends[0]) else " to ".join(_percent(end) for end in ends)


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
