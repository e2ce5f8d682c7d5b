"""torchvision's networks with random weights, as its users export them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torchvision.models import detection, segmentation

from zoo.exporting import Chosen, calibrate, export, normalised, spread
from zoo.row import Found, Row, pictures, write_row

CLASSES = 21
SMALL = (192, 320)


def semantic(folder: Path, make: Callable[..., Any], names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    network = make(weights=None, weights_backbone=None, num_classes=CLASSES)
    row = Row(f"torchvision {torchvision.__version__}, legacy", ("--preset", "torchvision"), size=(256, 256))
    if names == ("out",):  # one output needs no name
        row = Row(row.exporter, ("--normalise", "imagenet"), row.size)
    images = [normalised(image) for image in pictures(folder.parent, row)]

    def run() -> None:
        network(torch.cat(images))

    calibrate(network, run)
    last = [layer for layer in network.modules() if getattr(layer, "out_channels", 0) == CLASSES]
    for layer in last[:1] if len(names) > 1 or len(last) == 1 else last:
        spread(layer, run)
    with torch.no_grad():
        found = [Found(network(image)["out"].argmax(1)[0].numpy().astype(np.uint8)) for image in images]
    export(Chosen(network, names), (images[0],), folder, names)
    write_row(folder, row, found)


class Backbone(torch.nn.Module):
    """Four times smaller twice; the frameworks' own would take minutes."""

    out_channels = 32

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, 4, 1), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 3, 4, 1), torch.nn.ReLU()
        )

    def forward(self, picture: Any) -> Any:
        """`picture` (N, 3, H, W) f32."""
        return self.layers(picture)


def objects(folder: Path, make: Callable[..., Any], **more: Any) -> None:
    torch.manual_seed(1)
    network = make(
        Backbone(), num_classes=5, min_size=SMALL[0], max_size=SMALL[1], box_detections_per_img=50,
        rpn_anchor_generator=detection.rpn.AnchorGenerator(((32, 64, 128),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=torchvision.ops.MultiScaleRoIAlign(["0"], 7, 2),
        rpn_post_nms_top_n_test=100, rpn_pre_nms_top_n_test=200, **more,
    ).eval()  # fmt: skip
    network.roi_heads.box_predictor.cls_score.weight.data.mul_(60)
    network.roi_heads.box_predictor.bbox_pred.weight.data.mul_(3)
    row = Row(f"torchvision {torchvision.__version__}, legacy", ("--classes", "a,b,c,d,e"), size=SMALL)
    found = []
    for image in pictures(folder.parent, row):
        with torch.no_grad():
            (seen,) = network([torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1).float() / 255])
        kept = seen["scores"] > 0.5
        masks = (seen["masks"][kept][:, 0] > 0.5).numpy() if "masks" in seen else None
        boxes, scores, ids = (seen[name][kept].numpy() for name in ("boxes", "scores", "labels"))
        found.append(Found(None, boxes, scores, ids, masks))
    names = ["boxes", "labels", "scores", *(["masks"] if "mask_roi_pool" in more else [])]
    export(network, ([torch.rand(3, *SMALL)],), folder, names, input_names=["image"])
    write_row(folder, row, found)


MODELS: dict[str, Callable[[Path], None]] = {
    "fcn": lambda folder: semantic(folder, segmentation.fcn_resnet50, ("out",)),
    "deeplab": lambda folder: semantic(folder, segmentation.deeplabv3_mobilenet_v3_large, ("out",)),
    "lraspp": lambda folder: semantic(folder, segmentation.lraspp_mobilenet_v3_large, ("out",)),
    "faster-rcnn": lambda folder: objects(folder, detection.FasterRCNN),
    "mask-rcnn": lambda folder: objects(
        folder, detection.MaskRCNN, mask_roi_pool=torchvision.ops.MultiScaleRoIAlign(["0"], 14, 2)
    ),
}
