"""Ultralytics YOLO: one trained for minutes on discs and squares, the others with random weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import ultralytics
import yaml
from numpy.typing import NDArray

from zoo.drawn import SIDE, draw
from zoo.exporting import calibrate, spread
from zoo.row import MODEL, Found, Row, pictures, write_row

LEAST = 0.25
TRAINED = "trained.pt"
MINUTES = 12
SHAPES = ("disc", "square")


def trained(folder: Path, **more: Any) -> None:
    """`trained.pt` beside the models stays from one run to the next."""
    weights = folder.parent / TRAINED
    if not weights.exists():
        _train(folder.parent, weights)
    _export(folder, weights, 160, drawn=True, **more)


def _train(zoo: Path, weights: Path) -> None:
    data = zoo.resolve() / "training"
    random = np.random.default_rng(0)
    for part, count in (("train", 160), ("val", 16)):
        for kind in ("images", "labels"):
            (data / kind / part).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            image, shapes = draw(random)
            cv2.imwrite(str(data / "images" / part / f"{i}.png"), image)
            lines = [f"{kind} {' '.join(f'{v / SIDE:.5f}' for v in outline.ravel())}" for kind, outline in shapes]
            (data / "labels" / part / f"{i}.txt").write_text("\n".join(lines))
    told = {"path": str(data), "train": "images/train", "val": "images/val", "names": dict(enumerate(SHAPES))}
    (data / "data.yaml").write_text(yaml.safe_dump(told))
    model = ultralytics.YOLO("yolo11n-seg.yaml")
    model.train(
        data=str(data / "data.yaml"), imgsz=160, epochs=200, time=MINUTES / 60, batch=16, workers=0, device="cpu",
        project=str(data), name="run", exist_ok=True, plots=False, val=False, verbose=False, amp=False,
        optimizer="AdamW", lr0=0.003, warmup_epochs=1, seed=0,
    )  # fmt: skip
    shutil.copy(data / "run" / "weights" / "last.pt", weights)


def untrained(folder: Path, kind: str, **more: Any) -> None:
    torch.manual_seed(0)
    model = ultralytics.YOLO(f"{kind}.yaml")
    images = [_letterboxed(image, 320) for image in pictures(folder.parent, Row(""))]

    def run() -> None:
        for image in images:
            model.model(image)

    calibrate(model.model, run)
    head = model.model.model[-1]
    if hasattr(head, "classifier"):
        spread(head.classifier[-1], run)
    for name, mean, deviation in (("cv3", -8.5, 2.0), ("cv4", 0.0, 1.0), ("cv2", 2.0, 1.5)):
        for group in (name, f"one2one_{name}"):
            for branch in getattr(head, group, None) or ():
                spread(branch[-1], run, mean, deviation)
    weights = folder / f"{kind}.pt"
    model.save(str(weights))
    # Classes of pixels are given at the picture's size, enlarged as others do not: the picture has the network's size.
    _export(folder, weights, 320, size=(320, 320) if kind.endswith("-sem") else None, **more)


def _letterboxed(image: NDArray[np.uint8], side: int) -> Any:
    scale = side / max(image.shape[:2])
    height, width = round(image.shape[0] * scale), round(image.shape[1] * scale)
    canvas = np.full((side, side, 3), 114, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(image, (width, height))
    return torch.from_numpy(canvas[..., ::-1].transpose(2, 0, 1).copy())[None].float() / 255


def _export(
    folder: Path, weights: Path, side: int, drawn: bool = False, size: tuple[int, int] | None = None, **more: Any
) -> None:
    row = Row(f"ultralytics {ultralytics.__version__}", size=size, drawn=drawn)
    images = pictures(folder.parent, row)
    # What is compared with is the exported file in their own hands: without NMS inside `yolo` suppresses itself.
    copy = folder / "export.pt"
    shutil.copy(weights, copy)
    written = ultralytics.YOLO(str(copy)).export(format="onnx", imgsz=side, verbose=False, **more)
    Path(written).replace(folder / MODEL)
    copy.unlink()
    model = ultralytics.YOLO(str(weights))
    found = []
    for image in images:
        head = {"nms": False} if more.get("nms") is False else {}  # a head of its own, which needs no suppression
        (seen,) = model.predict(image, imgsz=side, rect=False, conf=LEAST, verbose=False, **head)
        found.append(_found(seen, image, side))
    write_row(folder, row, found)


def _found(seen: Any, image: NDArray[np.uint8], side: int) -> Found:
    if seen.boxes is None:
        return Found(seen.semantic_mask.data.numpy().reshape(image.shape[:2]).astype(np.uint8))
    masks = None
    if seen.masks is not None:  # at the input's size, without the letterbox's bars
        scale = side / max(image.shape[:2])
        height, width = round(image.shape[0] * scale), round(image.shape[1] * scale)
        top, left = (side - height) // 2, (side - width) // 2
        masks = seen.masks.data.numpy().astype(bool)[:, top : top + height, left : left + width]
    boxes, scores, ids = (each.numpy() for each in (seen.boxes.xyxy, seen.boxes.conf, seen.boxes.cls))
    return Found(None, boxes, scores, ids.astype(np.int64), masks)


os.environ.setdefault("YOLO_CONFIG_DIR", str(Path(".cache/zoo").resolve()))
MODELS: dict[str, Callable[[Path], None]] = {
    "yolo11-seg-trained": trained,
    "yolo11-seg-trained-nms": lambda folder: trained(folder, nms=True),
    "yolo11-seg-trained-half": lambda folder: trained(folder, half=True),
    "yolo11n-seg": lambda folder: untrained(folder, "yolo11n-seg"),
    "yolo26n-seg": lambda folder: untrained(folder, "yolo26n-seg"),
    "yolo26n-seg-nms": lambda folder: untrained(folder, "yolo26n-seg", nms=True),
    "yolo26n-seg-free": lambda folder: untrained(folder, "yolo26n-seg", nms=False),
    "yolo11n": lambda folder: untrained(folder, "yolo11n"),
    "yolov8n": lambda folder: untrained(folder, "yolov8n"),
    "yolov10n": lambda folder: untrained(folder, "yolov10n"),
    "yolo26n-sem": lambda folder: untrained(folder, "yolo26n-sem"),
}
