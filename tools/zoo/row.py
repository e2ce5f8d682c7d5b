"""One exported model and what its own framework finds with it, as files: written there, read here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

MODEL, TOLD, EXPECTED, FAILED = "model.onnx", "row.json", "expected.npz", "failed.txt"
PICTURES = 5


@dataclass(frozen=True, slots=True)
class Row:
    """What a model is imported with, and compared by."""

    exporter: str
    flags: tuple[str, ...] = ()
    """Of `streamseg import`: what neither the file nor what lies beside it tells."""
    size: tuple[int, int] | None = None
    """(height, width) that each picture is stretched to before both see it; None: they see it as it is."""
    drawn: bool = False
    """Whether the pictures are those of discs and squares, and not out of films."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the framework finds in one picture."""

    labels: NDArray[np.integer] | None = None
    """(h, w) class ids."""
    boxes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    """(K, 4): left, top, right, bottom in pixels of the picture."""
    scores: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    class_ids: NDArray[np.integer] = field(default_factory=lambda: np.zeros(0, np.int64))
    masks: NDArray[np.bool_] | None = None
    """(K, h, w), over the whole picture at any size."""


def pictures(zoo: Path, row: Row) -> list[NDArray[np.uint8]]:
    """(H, W, 3) u8 BGR, those of the row."""
    folder = zoo / ("drawn" if row.drawn else "pictures")
    read = [np.asarray(cv2.imread(str(path)), np.uint8) for path in sorted(folder.glob("*.png"))[:PICTURES]]
    return [each if row.size is None else np.asarray(cv2.resize(each, row.size[::-1]), np.uint8) for each in read]


def write_row(folder: Path, row: Row, found: list[Found]) -> None:
    """Beside the model in `folder`; the row comes last, so that what is there is whole."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for i, each in enumerate(found):
        for name in ("labels", "boxes", "scores", "class_ids", "masks"):
            value = getattr(each, name)
            if value is not None:
                arrays[f"{i}/{name}"] = value
    np.savez_compressed(folder / EXPECTED, **arrays)  # type: ignore[arg-type]
    (folder / TOLD).write_text(json.dumps(asdict(row)))


def read_row(folder: Path) -> tuple[Row, list[Found]]:
    told = json.loads((folder / TOLD).read_text())
    told["flags"] = tuple(told["flags"])
    told["size"] = told["size"] and tuple(told["size"])
    with np.load(folder / EXPECTED) as file:
        arrays = {name: file[name] for name in file.files}
    found: list[dict[str, NDArray[np.generic]]] = [{} for _ in range(PICTURES)]
    for key, value in arrays.items():
        i, name = key.split("/")
        found[int(i)][name] = value
    return Row(**told), [Found(**each) for each in found]  # type: ignore[arg-type]
