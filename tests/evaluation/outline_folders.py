"""Folders as YOLO, LabelMe and Roboflow write them, and what is learnt of them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.evaluation.corrected import Corrected, bring_in
from streamseg.maskfile import read_mask
from tests.evaluation.test_corrected import CLASSES, MASK, picture

BOX = "0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4"
"""Columns 3 to 8 and rows 2 to 7 of a picture of 30x20, as in `MASK`."""
HOLE = "0.666667 0.5 0.833333 0.5 0.833333 0.75 0.666667 0.75"
CRACK: dict[str, Any] = {"label": "crack", "points": [[3, 2], [9, 2], [9, 8], [3, 8]]}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(folder: Path, classes: Any = CLASSES, *, instances: bool = False) -> Corrected:
    into = folder.with_name("into")
    into.mkdir()
    return bring_in(folder, classes, into, instances=instances)


def masks(found: Corrected) -> dict[str, NDArray[np.uint8]]:
    return {path.stem: np.asarray(read_mask(path), np.uint8) for path in found.masks.iterdir()}


def labelme(folder: Path, *shapes: dict[str, Any]) -> Path:
    picture(folder / "a.jpg")
    write(folder / "a.json", json.dumps({"version": "6.3.1", "shapes": shapes, "imagePath": "a.jpg"}))
    return folder


def png(mask: NDArray[np.bool_]) -> str:
    return base64.b64encode(cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()).decode()


def roboflow(folder: Path, names: str = "0, background\n1, crack\n2, hole\n") -> Path:
    picture(folder / "a_jpg.rf.1.jpg")
    assert cv2.imwrite(str(folder / "a_jpg.rf.1_mask.png"), MASK)
    write(folder / "_classes.csv", f"Pixel Value, Class\n{names}")
    return folder
