"""dfine-seg: D-FINE with masks and without, random weights, by the package's own export."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dfine_seg.dl.export import DFINEPostProcessor, ExportWrapper, export_to_onnx
from dfine_seg.infer.torch_model import TorchModel
from dfine_seg.model.dfine import build_model

from zoo.exporting import calibrate, spread
from zoo.row import MODEL, Found, Row, pictures, write_row

SIDE, CLASSES, QUERIES = 320, 7, 300


def network(folder: Path, task: str) -> None:
    """Boxes and classes that differ from query to query, and masks with both sides."""
    torch.manual_seed(0)
    row = Row(f"dfine-seg {version('dfine-seg')}", size=(SIDE, SIDE))
    images = pictures(folder.parent, row)
    made: Any = build_model("s", CLASSES, task == "segment", "cpu", img_size=None, task=task)
    for name, values in made.named_parameters():
        if "score_head" in name and "lqe" not in name:
            values.data.normal_(0, 1 if "bias" in name else 0.3)
        elif "bbox_head" in name and "weight" in name:
            values.data.normal_(0, 0.1)

    def run() -> None:
        for image in images:
            fed = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1), np.float32)
            made(torch.from_numpy(fed)[None] / 255)

    calibrate(made, run)
    spread(made.decoder.enc_score_head, run, axis=2)
    spread(made.decoder.dec_score_head[-1], run, -5, 2, axis=2)
    if task == "segment":
        spread(made.decoder.mask_head.layers[-1], run, axis=2)
    weights = folder / "model.pt"
    torch.save(made.state_dict(), weights)
    judge = TorchModel(str(weights), CLASSES, SIDE, SIDE, task=task, model_name="s")
    found = [_found(judge(image)[0]) for image in images]
    static: Any = build_model("s", CLASSES, task == "segment", "cpu", img_size=(SIDE, SIDE), task=task)
    static.load_state_dict(made.state_dict(), strict=False)
    wrapped = ExportWrapper(static.eval(), DFINEPostProcessor(CLASSES, QUERIES)).eval()
    names = ["labels", "boxes", "scores"] + (["masks"] if task == "segment" else [])
    export_to_onnx(wrapped, folder / MODEL, torch.rand(1, 3, SIDE, SIDE), 1, False, False, "input", names)
    write_row(folder, row, found)


def _found(seen: dict[str, Any]) -> Found:
    masks = seen.get("masks")
    boxes, scores, labels = (seen[name].numpy() for name in ("boxes", "scores", "labels"))
    return Found(None, boxes, scores, labels, None if masks is None else masks.numpy().astype(bool))


MODELS = {
    "d-fine-seg": lambda folder: network(folder, "segment"),
    "d-fine-own": lambda folder: network(folder, "detect"),
}
