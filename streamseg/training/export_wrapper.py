"""Networks as they will run: bytes in, labels or objects out, their contract inside the file."""

from __future__ import annotations

import copy
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamseg.errors import InputError
from streamseg.infer.families.watershed import Watershed
from streamseg.infer.model.spec import OBJECT_ROLES, InputSpec, ModelSpec
from streamseg.training.network import architecture, normalisation, stride
from streamseg.training.plan import Plan

PICTURE, LABELS, CONFIDENCE = "picture", "labels", "confidence"
_OPSET = 17
_TRIAL = (192, 256)  # height, width of what a graph is traced with where the size is free


class Deployed(nn.Module):
    """(N, H, W, C) u8 BGR or grey -> what `output_names` says."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, plan: Plan) -> None:
        super().__init__()
        self.network = _taking_bgr(network)
        mean, std = normalisation(plan)
        self.register_buffer("mean", mean.flip(1))
        self.register_buffer("std", std.flip(1))
        self._labels_stride = plan.export.labels_stride
        self._gives = architecture(plan).gives
        self.train(False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Bytes become numbers first: TensorRT does nothing else with them."""
        x = (image.float().permute(0, 3, 1, 2) - self.mean) / self.std
        if self._gives == "maps":
            return ((torch.sigmoid(self.network(x)[0]) * 255 + 0.5).to(torch.uint8),)
        if self._gives == "objects":
            boxes, scores, class_ids, masks = self.network(x)
            return boxes, scores, class_ids.to(torch.int32), masks
        return self._labels(self.network(x)[0], image)

    def _labels(self, logits: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        size = [side // self._labels_stride for side in image.shape[1:3]]
        if list(logits.shape[2:]) != size or torch.onnx.is_in_onnx_export():
            logits = functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        if logits.shape[1] > 1:
            return (logits.argmax(1).to(torch.uint8),)
        sure = torch.sigmoid(logits[:, 0])
        return (sure > 0.5).to(torch.uint8), (torch.maximum(sure, 1 - sure) * 255 + 0.5).to(torch.uint8)


def _taking_bgr(network: nn.Module) -> nn.Module:
    """The same network for channels in the other order, which costs nothing: its first kernels are turned round."""
    turned = copy.deepcopy(network)
    first = next(module for module in turned.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight.copy_(first.weight.flip(1).clone())
    return turned


def output_names(plan: Plan) -> list[str]:
    """Objects: boxes, scores, class ids and masks, or maps u8 as the network gives them.

    Else labels u8, and for two classes the confidence beside them.
    """
    gives = architecture(plan).gives
    if gives == "maps":
        return ["maps"]
    if gives == "objects":
        return list(OBJECT_ROLES)
    return [LABELS, CONFIDENCE][: 2 if len(plan.classes) == 2 else 1]


def model_spec(plan: Plan) -> ModelSpec:
    """The contract that goes into the file."""
    wanted, gives, instances = plan.export, architecture(plan).gives, architecture(plan).instances
    try:
        return ModelSpec(
            name=plan.name,
            task="instance" if instances else "semantic",
            classes=tuple(entry.name for entry in plan.classes),
            colours=tuple(f"#{entry.colour.lstrip('#')}" for entry in plan.classes),
            outputs={name: name for name in output_names(plan)},
            input=InputSpec(
                name=PICTURE,
                layout="NHWC",
                height=wanted.height,
                width=wanted.width,
                side=wanted.side,
                largest=wanted.largest,
                dtype="uint8",
                colour="grey" if plan.data.grey else "bgr",
                # Objects come in fixed sizes, and are of no use when they are squeezed.
                fit="letterbox" if gives == "objects" else "stretch",
                stride=stride(plan),
            ),
            background=0 if instances else wanted.background,
            licence=plan.licence,
            summary=wanted.summary,
            least_score=wanted.least_score,
            family=Watershed.name if gives == "maps" else "",
            most=Watershed.defaults.most if gives == "maps" else 300,
        )
    except ValueError as error:
        raise InputError(f"{plan.name}: {error}") from None


def trace(deployed: Deployed, plan: Plan) -> bytes:
    """The graph; batch and free sides are left open, except for boxes: one picture of one size, all shapes fixed."""
    height, width = trial_size(plan)
    example = torch.zeros(1, height, width, 1 if plan.data.grey else 3, dtype=torch.uint8)
    names = output_names(plan)
    free = {0: "n"} if plan.export.height else {0: "n", 1: "height", 2: "width"}
    gives = architecture(plan).gives
    rows, columns = (2, 3) if gives == "maps" else (1, 2)
    answer = {0: "n"} if plan.export.height else {0: "n", rows: "label_rows", columns: "label_columns"}
    axes = {} if gives == "objects" else {PICTURE: free, **dict.fromkeys(names, answer)}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says that it is the older exporter; the newer one folds nothing
        torch.onnx.export(
            deployed,
            (example,),
            f"{folder}/model.onnx",
            dynamo=False,
            opset_version=_OPSET,
            input_names=[PICTURE],
            output_names=names,
            dynamic_axes=axes,
        )
        return Path(folder, "model.onnx").read_bytes()


def trial_size(plan: Plan) -> tuple[int, int]:
    """Height, width of the pictures that graph and comparison are made with."""
    return plan.export.height or _TRIAL[0], plan.export.width or _TRIAL[1]
